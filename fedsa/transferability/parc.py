"""PARC, the pairwise annotation representation comparison (Bolya et al., NeurIPS 2021).

Items of one class should be answered alike: Spearman's correlation, over pairs of labelled
items, of 1 - corr(f_a, f_b) with 1 - corr(y_a, y_b), where f is sqrt(p), y the one-hot label,
and corr Pearson's correlation over the components. (The authors reduce wide features by PCA
first; answers are narrow, and are taken whole.)
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsa.transferability.pairs import roots, spearman


def parc(answers: Tensor, labels: Tensor, student: Tensor | None = None) -> float:
    """Return Spearman's rho in [-1, 1].

    Parameters
    ----------
    answers : Tensor
        ``(m, C_i)`` the teacher's distributions on the labelled items. An answer that is even
        over all classes correlates with nothing: it is at distance 1 from all others.
    labels : Tensor
        ``(m,)`` their labels.
    student : Tensor | None
        Not used.
    """
    truth = F.one_hot(labels).double()
    return spearman(_distances(roots(answers)), _distances(truth))


def _distances(rows: Tensor) -> Tensor:
    centred = rows - rows.mean(dim=1, keepdim=True)
    norms = centred.norm(dim=1, keepdim=True)
    unit = torch.where(norms > 1e-6, centred / norms.clamp_min(1e-6), 0.0)
    return 1.0 - unit @ unit.T
