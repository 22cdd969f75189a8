"""An institution's own code, named in teacher files by import path."""

from __future__ import annotations

import numpy as np

rng = np.random.default_rng(7)
WEIGHTS = rng.normal(size=(144, 3)).astype(np.float32)


def logits(inputs: np.ndarray) -> np.ndarray:
    """A linear model over 12 x 12 pixels."""
    assert inputs.dtype == np.float32 and inputs.shape[1:] == (1, 12, 12)
    return inputs.reshape(len(inputs), -1) @ WEIGHTS


def probabilities(inputs: np.ndarray) -> np.ndarray:
    """The same, after a softmax."""
    raw = np.exp(logits(inputs) - logits(inputs).max(axis=1, keepdims=True))
    return raw / raw.sum(axis=1, keepdims=True)


def as_lists(inputs: np.ndarray) -> list[list[float]]:
    """The same as plain numbers."""
    return logits(inputs).tolist()


def of_two(inputs: np.ndarray, more: int) -> np.ndarray:
    """Cannot be called as a model."""
    return inputs


class Constant:
    """A backend as an installed package may offer it."""

    module = None
    files = ()

    def __init__(self, value: float, device) -> None:
        self.value, self.device = value, device

    def forward(self, inputs):
        """Answer the same, whatever it is asked."""
        return inputs.flatten(1)[:, :3] * 0 + inputs.new_tensor([self.value, 0.0, 0.0])


def load_constant(card, device):
    """Load it."""
    return Constant(card.model.options["value"], device)
