"""Rebuilding a network of one hidden layer from where it looks (after Milli et al., 1807.05185).

Along a line through input space the gradient of a rectified network is constant, but where a
hidden unit switches on or off: there it jumps by that unit's weights, times its outgoing weight.
An attacker who sees gradients finds the jumps by bisection; jumps of one direction that turn up
on several lines are a hidden unit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Oracle = Callable[[Floats], Floats]
"""From inputs ``(n, d)`` to what is seen of the gradients there, ``(n, d)``."""

POINTS = 33
"""Places on each line that are looked at first."""
HALVINGS = 14
"""Times that each step with a jump in it is halved."""


def hidden_units(
    oracle: Oracle, features: int, lines: int, tolerance: float, seed: int = 0
) -> Floats:
    """Return the unit directions ``(k, d)`` that an attacker believes in.

    Parameters
    ----------
    oracle : Oracle
        What the attacker may ask.
    features : int
        d, the number of input features, each in [0, 1].
    lines : int
        Lines that are searched.
    tolerance : float
        Relative difference between two gradients from which on they count as different.
    seed : int
        Of the lines.
    """
    generator = np.random.default_rng(seed)
    jumps = [
        jump
        for _ in range(lines)
        for jump in _jumps(oracle, *generator.uniform(0.05, 1.0, (2, features)), tolerance)
    ]
    if not jumps:
        return np.zeros((0, features))
    found = np.stack(jumps)
    alike = np.abs(found @ found.T) > 0.99
    kept: list[int] = []
    for one in np.argsort(-alike.sum(axis=1)):
        if alike[one].sum() >= 2 and not any(alike[one, other] for other in kept):
            kept.append(int(one))
    return found[kept]


def _jumps(oracle: Oracle, start: Floats, stop: Floats, tolerance: float) -> list[Floats]:
    """Return the directions of the gradient's jumps on one line."""

    def seen(places: Floats) -> Floats:
        return oracle(start + places[:, None] * (stop - start))

    places = np.linspace(0.0, 1.0, POINTS)
    views = seen(places)
    low, high = places[:-1], places[1:]
    left, right = views[:-1], views[1:]
    scale = np.abs(views).max() or 1.0
    changed = np.abs(right - left).max(axis=1) > tolerance * scale
    low, high, left, right = low[changed], high[changed], left[changed], right[changed]
    if not len(low):
        return []
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        view = seen(middle)
        before = np.abs(view - left).max(axis=1) > tolerance * scale
        high, low = np.where(before, middle, high), np.where(before, low, middle)
        right = np.where(before[:, None], view, right)
        left = np.where(before[:, None], left, view)
    steps = right - left
    lengths = np.linalg.norm(steps, axis=1, keepdims=True)
    return list(steps[lengths[:, 0] > 0] / lengths[lengths[:, 0] > 0])


def recovered(found: Floats, weights: Floats, cosine: float) -> int:
    """Return how many true hidden units ``(h, d)`` are among the directions found."""
    if not len(found):
        return 0
    true = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    return int((np.abs(true @ found.T).max(axis=1) > cosine).sum())
