"""A PyTorch module, from a factory and safetensors weights or from an exported program."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from fedsa.teacher.backends.weights import from_factory
from fedsa.teacher.card_file import CardFile
from fedsa.teacher.compute import autocast_of


class TorchBackend:
    """Any PyTorch module.

    Parameters
    ----------
    module : nn.Module
        In evaluation mode; it is moved to the device.
    files : tuple[Path, ...]
        What it was loaded from.
    device : torch.device
        Where it runs.
    narrow : torch.dtype | None
        Type of the numbers in a forward pass where float32 is not needed; None is off.
    """

    def __init__(
        self,
        module: nn.Module,
        files: tuple[Path, ...],
        device: torch.device,
        narrow: torch.dtype | None = None,
    ) -> None:
        self.module = module.to(device)
        self.files = files
        self.device = device
        self._narrow = narrow

    def forward(self, inputs: Tensor) -> Tensor:
        """Return raw outputs; see :class:`~fedsa.teacher.backends.Backend`."""
        with (
            torch.no_grad(),
            torch.autocast(self.device.type, self._narrow, enabled=self._narrow is not None),
        ):
            found: Tensor = self.module(inputs)
        return found


def load(card: CardFile, device: torch.device) -> TorchBackend:
    """Build the factory's module and fill it with the weights.

    Raises
    ------
    FedsaError
        As :func:`~fedsa.teacher.backends.weights.from_factory`.
    """
    model = card.model
    assert model.factory is not None and model.weights is not None
    module = from_factory(model.factory, model.weights, tuple(card.input.shape), card.outputs)
    return TorchBackend(module, (model.weights,), device, autocast_of(card.compute))
