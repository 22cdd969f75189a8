"""Teachers that learn like any other and misbehave once they are asked."""

from __future__ import annotations

import os
import time
from pathlib import Path

from torch import Tensor, nn

HIDDEN = "/srv/private/ward-7"
"""A path of the institution's, which must not leave it."""


class Honest(nn.Module):
    """A small net that answers until the folder named by ``FEDSA_TEST_GONE`` is there."""

    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(shape[0], 32), nn.ReLU(), nn.Linear(32, outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        found: Tensor = self.layers(inputs)
        # Blank items are the trial at loading; a teacher that fails there never joins.
        return found if self.training or not inputs.any() else self.answer(found)

    def answer(self, found: Tensor) -> Tensor:
        gone = os.environ.get("FEDSA_TEST_GONE")
        if gone and Path(gone).exists():
            raise ConnectionError(HIDDEN)
        return found


class Raises(Honest):
    def answer(self, found: Tensor) -> Tensor:
        raise RuntimeError(f"cannot read {HIDDEN}")


class Nan(Honest):
    def answer(self, found: Tensor) -> Tensor:
        return found * float("nan")


class Narrow(Honest):
    def answer(self, found: Tensor) -> Tensor:
        return found[:, 1:]


class Slow(Honest):
    def answer(self, found: Tensor) -> Tensor:
        time.sleep(16)
        return found
