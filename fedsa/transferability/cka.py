"""Centred kernel alignment (Kornblith et al., ICML 2019, equation 4) of answers, without labels.

CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) with the linear kernels K, L of sqrt(p) of teacher
and student. HSIC is the unbiased estimate (Song et al., JMLR 2012): the plain one (equation 3)
grows with the number of outputs where items are few, so a teacher of many classes would seem
alike. It is the inner product of U-centred matrices (Székely & Rizzo, Annals of Statistics 2014),
diagonals left out; hence CKA is a cosine, and its mean over shuffled items is zero.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fedsa.transferability.pairs import roots


def cka(answers: Tensor, labels: Tensor | None, student: Tensor) -> float:
    """Return the alignment in [-1, 1]; 0 for a network that answers all items alike.

    Parameters
    ----------
    answers, student : Tensor
        ``(m, C_i)`` and ``(m, C)`` distributions on the same items; below four items the
        unbiased estimate does not exist and 0 is returned.
    labels : Tensor | None
        Not used.
    """
    if len(answers) < 4:
        return 0.0
    a, b = _centred(roots(answers)), _centred(roots(student))
    norms = float(a.norm() * b.norm())
    return float((a * b).sum()) / norms if norms > 1e-9 else 0.0


def _centred(features: Tensor) -> Tensor:
    """Return the U-centred kernel: rows sum to zero, the diagonal is zero."""
    m = len(features)
    kernel = features @ features.T
    kernel = kernel - torch.diag(kernel.diagonal())
    rows = kernel.sum(dim=1) / (m - 2)
    centred = kernel - rows[:, None] - rows + kernel.sum() / ((m - 1) * (m - 2))
    return centred - torch.diag(centred.diagonal())
