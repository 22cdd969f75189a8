"""How close two networks' looks are: the cosine of their maps, on the same items in one order.

Attribution affinity (Song et al., NeurIPS 2019) averages raw cosines; these bunch together,
because most of a map is what every network looks at (the middle, the object). Taking away each
network's own mean map over the probe leaves how its look *changes* from item to item.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor

from fedsa.errors import DataError
from fedsa.saliency.compact import CompactMaps

Floats = npt.NDArray[np.float64]
Maps = CompactMaps | npt.NDArray[np.float32] | npt.NDArray[np.float64] | Tensor

_EQUAL = 1e-9
"""Norm below which a centred map (its cells sum to one before) is only rounding."""


def closeness(a: Maps, b: Maps) -> float:
    """Return the mean cosine of two networks' centred maps.

    Parameters
    ----------
    a, b : Maps
        ``(n, cells)`` maps of the two networks on the same ``n`` probe items, not negative.

    Returns
    -------
    float
        In [-1, 1]. A flat map (zeros, or the same everywhere) says nothing about a look: it
        contributes 0 and is left out of its network's mean map; so a network that looks at
        the same place whatever it sees is at 0 from every other.

    Raises
    ------
    DataError
        If the two do not have the same shape or hold values that are not finite.
    """
    left, right = _pair(a, b)
    return float(np.mean(_cosines(_centred(left), _centred(right)))) if len(left) else 0.0


def published(a: Maps, b: Maps) -> float:
    """Return FedSA's own score t = n / sum_x (1/2 + 1/2 cos(M_a(x), M_b(x))), lower is closer.

    Xie et al., arXiv 2207.13309, with each map min-max scaled and not centred. Mended here: both
    networks see the same items in the same order, and a constant map has the cosine 0 instead
    of 0/0. Maps are not negative, so 1 <= t <= 2.

    Raises
    ------
    DataError
        As :func:`closeness`.
    """
    left, right = _pair(a, b)
    if not len(left):
        return 2.0
    return float(len(left) / np.sum(0.5 + 0.5 * _cosines(_stretched(left), _stretched(right))))


def _pair(a: Maps, b: Maps) -> tuple[Floats, Floats]:
    left, right = _rows(a), _rows(b)
    if left.shape != right.shape:
        raise DataError(
            f"Looks can only be compared on the same items and cells: {left.shape} against "
            f"{right.shape}; ask both networks for the same probe and grid."
        )
    return left, right


def _rows(maps: Maps) -> Floats:
    if isinstance(maps, CompactMaps):
        maps = maps.dense()
    array = maps.detach().cpu().numpy() if isinstance(maps, Tensor) else maps
    rows = np.asarray(array, np.float64).reshape(len(array), -1)
    if not np.isfinite(rows).all():
        raise DataError("Saliency maps must be finite to be compared.")
    top = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    rows = rows / np.where(top > 0, top, 1.0)
    total = rows.sum(axis=1, keepdims=True)
    return rows / np.where(total > 0, total, 1.0)


def _centred(rows: Floats) -> Floats:
    alive = np.ptp(rows, axis=1, keepdims=True) > _EQUAL
    mean = (rows * alive).sum(axis=0) / max(1, int(alive.sum()))
    centred: Floats = (rows - mean) * alive
    return centred


def _stretched(rows: Floats) -> Floats:
    stretched: Floats = rows - rows.min(axis=1, keepdims=True)
    return stretched  # a cosine does not see the division


def _cosines(a: Floats, b: Floats) -> Floats:
    norms = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    known = (norms[0] > _EQUAL) & (norms[1] > _EQUAL)
    product = np.where(known, norms[0] * norms[1], 1.0)
    cosines: Floats = np.clip(np.where(known, (a * b).sum(axis=1) / product, 0.0), -1.0, 1.0)
    return cosines
