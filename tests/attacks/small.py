"""A teacher small enough to be stolen: one hidden layer of rectified units."""

from __future__ import annotations

import math

from torch import nn

UNITS = 12


def one_hidden(shape: tuple[int, ...], outputs: int) -> nn.Module:
    """``(n, *shape)`` -> ``UNITS`` rectified units -> ``outputs``."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(math.prod(shape), UNITS), nn.ReLU(), nn.Linear(UNITS, outputs)
    )
