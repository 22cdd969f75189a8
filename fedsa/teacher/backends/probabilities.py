"""Raw outputs from a model that gives probabilities: their logarithms."""

from __future__ import annotations

import numpy as np

FLOOR = 1e-12
"""Least probability; the logarithm of none at all is not a number that can be sent or scaled."""
_OFF = 1e-2


def to_logits(probabilities: np.ndarray) -> np.ndarray:
    """Return logits whose softmax is the probabilities, float32.

    Parameters
    ----------
    probabilities : np.ndarray
        ``(n, outputs)``, rows that sum to one.

    Raises
    ------
    ValueError
        If they are no such rows.
    """
    given = np.asarray(probabilities, np.float64)
    if given.ndim != 2:
        raise ValueError(f"it gives {given.shape} where (items, classes) is needed")
    # Written so that a NaN fails too.
    if not bool((given >= -_OFF).all()) or not bool((np.abs(given.sum(axis=1) - 1) <= _OFF).all()):
        raise ValueError("it gives rows that are not probabilities: each must sum to one")
    logits: np.ndarray = np.log(np.clip(given, FLOOR, None)).astype(np.float32)
    return logits
