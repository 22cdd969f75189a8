"""A multilayer perceptron, for vectors and for anything that may be flattened."""

from __future__ import annotations

import math

from torch import nn


def mlp(shape: tuple[int, ...], outputs: int, width: int = 128) -> nn.Module:
    """Two hidden layers with batch normalisation on the flattened item.

    Parameters
    ----------
    shape : tuple[int, ...]
        Any shape of at least one number.
    outputs : int
        Width of the raw output.
    width : int
        Width of the hidden layers.

    Raises
    ------
    ValueError
        If an item holds no numbers.
    """
    size = math.prod(shape)
    if size < 1:
        raise ValueError(f"items of shape {tuple(shape)} hold no numbers")
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(size, width, bias=False),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, width, bias=False),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, outputs),
    )
