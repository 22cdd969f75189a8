"""A model that is any Python callable: the institution's own code, in its own process."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedsa.registry import Registry
from fedsa.teacher.backends.probabilities import to_logits
from fedsa.teacher.card_file import CardFile

CALLABLES = Registry("callable", {}, ("inputs",))
"""Found by ``module:attribute`` only."""


class FunctionBackend:
    """A callable from a float32 array ``(n, *shape)`` to logits or probabilities ``(n, outputs)``.

    Parameters
    ----------
    function : Callable[[np.ndarray], Any]
        The model.
    probabilities : bool
        Whether it gives probabilities.
    files : tuple[Path, ...]
        Files of the code.
    """

    module = None
    device = torch.device("cpu")

    def __init__(
        self, function: Callable[[np.ndarray], Any], probabilities: bool, files: tuple[Path, ...]
    ) -> None:
        self._function = function
        self._probabilities = probabilities
        self.files = files

    def forward(self, inputs: Tensor) -> Tensor:
        """Return raw outputs; see :class:`~fedsa.teacher.backends.Backend`."""
        found = np.asarray(self._function(inputs.numpy()))
        # A copy: what the function returned may be its own memory, or read-only.
        return torch.from_numpy(
            to_logits(found) if self._probabilities else np.array(found, np.float32)
        )


def load(card: CardFile, device: torch.device) -> FunctionBackend:
    """Import the callable that a card file names.

    Raises
    ------
    PluginError
        If it cannot be imported, or cannot be called with one argument.
    """
    name = card.model.callable
    assert name is not None
    function = CALLABLES.get(name)
    source = getattr(importlib.import_module(name.partition(":")[0]), "__file__", None)
    files = (Path(source),) if source else ()
    return FunctionBackend(function, card.model.probabilities, files)
