"""Means with their 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval (Student's t); without a second value there is no interval.

    Parameters
    ----------
    mean : float
        Mean of the values.
    half : float | None
        Half the interval's width, ``t(.975, n - 1) s / sqrt(n)``.
    count : int
        Number of values n.
    """

    mean: float
    half: float | None
    count: int

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.half is not None and abs(self.mean) > self.half

    def document(self, digits: int = 6) -> dict[str, float | int | None]:
        """Return plain data for JSON."""
        half = None if self.half is None else round(self.half, digits)
        return {"mean": round(self.mean, digits), "half": half, "count": self.count}


def interval(values: Sequence[float]) -> Interval | None:
    """Return the mean of the values with its 95 % interval, or None when there are none.

    Raises
    ------
    ValueError
        If a value is not finite.
    """
    if not values:
        return None
    if not all(math.isfinite(value) for value in values):
        raise ValueError("an interval needs finite values")
    count = len(values)
    mean = math.fsum(values) / count
    if count == 1:
        return Interval(mean, None, 1)
    spread = float(np.std(np.asarray(values, dtype=np.float64), ddof=1))
    half = float(stdtrit(count - 1, 0.975)) * spread / math.sqrt(count)
    return Interval(mean, half, count)
