"""Estimators that compare saliency maps instead of answers: maps of the same items, in one order.

* ``attribution-affinity`` (Song et al., NeurIPS 2019): the mean cosine of the two networks' maps;
* ``fedsa-score`` (Xie et al., arXiv 2207.13309): 2 - t with FedSA's t, by which it selects;
* ``closeness``: what fedsa selects by, the mean cosine of maps less each network's mean map.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from fedsa.saliency import closeness as centred


def attribution_affinity(maps: Tensor, student: Tensor) -> float:
    """Return the mean cosine of two networks' maps as they are, from 0 to 1 for maps above 0.

    Parameters
    ----------
    maps, student : Tensor
        ``(m, cells)`` or ``(m, H, W)`` maps of the teacher and of the student. A map of zeros has
        the cosine 0 with any other.
    """
    a, b = (rows.detach().double().flatten(1).numpy() for rows in (maps, student))
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines = (a * b).sum(axis=1) / np.where(norms > 0, norms, 1.0)
    return float(cosines.mean()) if len(cosines) else 0.0


def fedsa_score(maps: Tensor, student: Tensor) -> float:
    """Return 2 - t of :func:`fedsa.saliency.closeness.published`, from 0 to 1."""
    return 2.0 - centred.published(maps, student)


def closeness(maps: Tensor, student: Tensor) -> float:
    """Return :func:`fedsa.saliency.closeness.closeness`, from -1 to 1."""
    return centred.closeness(maps, student)
