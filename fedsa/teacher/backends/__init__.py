"""Where a teacher's raw outputs come from: one interface, one file a model format."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from fedsa.errors import FedsaError, PluginError, TeacherFileError
from fedsa.registry import Registry
from fedsa.teacher.card_file import CardFile
from fedsa.teacher.compute import device_of

BACKENDS = Registry(
    "backend",
    {
        "factory": "fedsa.teacher.backends.module:load",
        "program": "fedsa.teacher.backends.program:load",
        "onnx": "fedsa.teacher.backends.onnx:load",
        "estimator": "fedsa.teacher.backends.estimator:load",
        "callable": "fedsa.teacher.backends.function:load",
    },
    ("card", "device"),
)
"""Loaders, called as ``load(card, device)`` and returning a :class:`Backend`; the built-in ones
have the name of the key of ``[model]`` that asks for them."""

_ANY_SIZE = {
    "program": (
        " A program must be exported for batches of any size: "
        "torch.export.export(model, args, dynamic_shapes=({0: torch.export.Dim('n')},))."
    ),
    "onnx": (
        " An ONNX model must be exported for batches of any size: "
        "torch.onnx.export(model, args, file, dynamo=True, "
        "dynamic_shapes=({0: torch.export.Dim('n')},))."
    ),
}


class Backend(Protocol):
    """A model that was loaded, whatever it was made with."""

    @property
    def device(self) -> torch.device:
        """Where it wants its inputs."""

    @property
    def module(self) -> nn.Module | None:
        """The model as a module for input gradients; None if it has none."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it was loaded from, for the fingerprint."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return raw outputs ``(n, outputs)`` of float32 ``(n, *shape)``, without gradients.

        One pass over all of them; may be called by several threads at once.
        """


def load(card: CardFile) -> Backend:
    """Load a teacher's model and try it on blank items, two and three at once.

    Raises
    ------
    TeacherFileError
        If a file is damaged, weights do not fit, a package or the device is missing, or the
        model does not give the outputs that the card file promises.
    """
    form = card.model.format
    try:
        device = device_of(card.compute)
        backend: Backend = _loader(card)(card, device)
        blank = torch.zeros((3, *card.input.shape), device=backend.device)
        raw = [backend.forward(blank[:count]) for count in (2, 3)]
    except FedsaError as error:
        raise TeacherFileError(f"teacher '{card.id}': {error}") from error
    except Exception as error:  # a model is anybody's code
        raise TeacherFileError(
            f"teacher '{card.id}': the model does not run on items of shape {card.input.shape}: "
            f"{type(error).__name__}: {error}.{_ANY_SIZE.get(form, '')}"
        ) from error
    for count, found in zip((2, 3), raw, strict=True):
        if tuple(found.shape) != (count, card.outputs):
            raise TeacherFileError(
                f"teacher '{card.id}': the model gives {tuple(found.shape)} for {count} items, but "
                f"the file names {card.outputs} classes."
            )
    return backend


def _loader(card: CardFile) -> Any:
    name = card.model.backend
    if name is None:
        return BACKENDS.get(card.model.format)
    if name in BACKENDS.builtins:
        raise PluginError(f"model.backend: '{name}' is built in; use the key '{name}' instead.")
    return BACKENDS.get(name)


def has_gradients(backend: Backend, shape: tuple[int, ...]) -> bool:
    """Try whether the model passes gradients to its input (some exported ones do not)."""
    module = backend.module
    if module is None:
        return False
    inputs = torch.zeros((2, *shape), requires_grad=True, device=backend.device)
    try:
        with torch.enable_grad():
            (found,) = torch.autograd.grad(module(inputs).sum(), inputs, allow_unused=True)
    except Exception:  # as above; a failure here only means: no gradients
        return False
    return found is not None


def package(name: str, key: str) -> ModuleType:
    """Return a package that not every institution needs.

    Raises
    ------
    TeacherFileError
        If it is not installed; the sentence says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise TeacherFileError(
            f"model.{key} needs the package '{name.partition('.')[0]}', which does not import "
            f"({error}): run pip install 'fedsa[teacher]'."
        ) from error
