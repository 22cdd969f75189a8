"""Where a teacher's raw outputs come from: one interface, one implementation a model format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from fedsa.errors import FedsaError, TeacherFileError
from fedsa.teacher.card_file import CardFile

BATCH = 256
"""Items of one forward pass."""
_BATCHES = (
    " A program must be exported for batches of any size: "
    "torch.export.export(model, args, dynamic_shapes=({0: torch.export.Dim('n')},))."
)


class Backend(Protocol):
    """A model that was loaded, whatever it was made with."""

    @property
    def module(self) -> nn.Module | None:
        """The model as a module for input gradients; None if it has none."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it was loaded from, for the fingerprint."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return raw outputs ``(n, outputs)`` of float32 ``(n, *shape)``, without gradients."""


class TorchBackend:
    """Any PyTorch module, run in batches."""

    def __init__(self, module: nn.Module, files: tuple[Path, ...]) -> None:
        self._module = module
        self.files = files

    @property
    def module(self) -> nn.Module:
        """The module itself."""
        return self._module

    def forward(self, inputs: Tensor) -> Tensor:
        """Return raw outputs; see :class:`Backend`."""
        with torch.no_grad():
            return torch.cat([self._module(part) for part in torch.split(inputs, BATCH)])


def load(card: CardFile) -> Backend:
    """Load a teacher's model and try it on blank items, two and three at once.

    Raises
    ------
    TeacherFileError
        If a file is damaged, weights do not fit, or the model does not give the outputs that
        the card file promises.
    """
    name = "program" if card.model.program is not None else "factory"
    try:
        backend = BACKENDS[name](card)
        raw = [backend.forward(torch.zeros((count, *card.input.shape))) for count in (2, 3)]
    except FedsaError as error:
        raise TeacherFileError(f"teacher '{card.id}': {error}") from error
    except Exception as error:  # a model is anybody's code
        raise TeacherFileError(
            f"teacher '{card.id}': the model does not run on items of shape {card.input.shape}: "
            f"{type(error).__name__}: {error}.{_BATCHES if name == 'program' else ''}"
        ) from error
    for count, found in zip((2, 3), raw, strict=True):
        if tuple(found.shape) != (count, card.outputs):
            raise TeacherFileError(
                f"teacher '{card.id}': the model gives {tuple(found.shape)} for {count} items, but "
                f"the file names {card.outputs} classes."
            )
    return backend


def has_gradients(backend: Backend, shape: tuple[int, ...]) -> bool:
    """Try whether the model passes gradients to its input (some exported ones do not)."""
    module = backend.module
    if module is None:
        return False
    inputs = torch.zeros((2, *shape), requires_grad=True)
    try:
        with torch.enable_grad():
            (found,) = torch.autograd.grad(module(inputs).sum(), inputs, allow_unused=True)
    except Exception:  # as above; a failure here only means: no gradients
        return False
    return found is not None


def _factory(card: CardFile) -> Backend:
    from fedsa.teacher.weights import from_factory

    assert card.model.factory is not None and card.model.weights is not None
    module = from_factory(
        card.model.factory, card.model.weights, tuple(card.input.shape), card.outputs
    )
    return TorchBackend(module, (card.model.weights,))


def _program(card: CardFile) -> Backend:
    from fedsa.teacher.program import from_program

    assert card.model.program is not None
    return TorchBackend(from_program(card.model.program), (card.model.program,))


BACKENDS: dict[str, Callable[[CardFile], Backend]] = {"factory": _factory, "program": _program}
"""Loaders by the key of ``[model]`` that asks for them."""
