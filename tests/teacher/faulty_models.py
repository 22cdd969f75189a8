"""Model factories that misbehave, named in teacher files by import path."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

SECRET = "/srv/private/mint/weights-v7"


class Linear(nn.Module):
    """A plain linear model over flattened items."""

    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        size = 1
        for side in shape:
            size *= side
        self.layer = nn.Linear(size, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        found: Tensor = self.layer(inputs.flatten(1))
        return found


class Raises(Linear):
    """Runs on blank items, as at loading, and raises on any other."""

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.any():
            raise RuntimeError(f"cannot read {SECRET}")
        return super().forward(inputs)


class Nan(Linear):
    """Answers NaN."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) * torch.nan


class Narrow(Linear):
    """Loses a class where it matters."""

    def forward(self, inputs: Tensor) -> Tensor:
        found = super().forward(inputs)
        return found[:, 1:] if inputs.any() else found


def unbuildable(shape: tuple[int, ...], outputs: int) -> Any:
    """Fail to build."""
    raise OSError(f"no such file: {SECRET}")


LIMIT = 20


class Large(Linear):
    """Runs out of memory above so many items."""

    def forward(self, inputs: Tensor) -> Tensor:
        if len(inputs) > LIMIT:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB")
        return super().forward(inputs)


class Sociable(Linear):
    """Answers by the company that an item is in, as batch normalisation does in training."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs - inputs.mean(dim=0))
