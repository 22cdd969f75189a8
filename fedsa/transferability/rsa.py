"""Representation similarity analysis (Dwivedi & Roig, CVPR 2019) on answers, without labels.

Two networks agree when they find the same *pairs* of items alike: Spearman's correlation of the
pairwise similarities of items under the teacher's and under the student's answers, similarity
being the Bhattacharyya coefficient sum_y sqrt(p(y|a) p(y|b)).
"""

from __future__ import annotations

import torch
from scipy.stats import rankdata
from torch import Tensor


def rsa(answers: Tensor, labels: Tensor | None, student: Tensor) -> float:
    """Return Spearman's rho in [-1, 1] of the two networks' pairwise similarities of items.

    Parameters
    ----------
    answers, student : Tensor
        ``(m, C_i)`` and ``(m, C)`` distributions on the same items.
    labels : Tensor | None
        Not used.
    """
    a, b = _ranks(answers), _ranks(student)
    norms = a.norm() * b.norm()
    return float(a @ b / norms) if float(norms) > 0 else 0.0


def _ranks(answers: Tensor) -> Tensor:
    roots = answers.double().clamp_min(0.0).sqrt()
    similar = roots @ roots.T
    rows, columns = torch.triu_indices(len(answers), len(answers), offset=1)
    # Rounding would break ties of items that are answered alike, and rank pure noise.
    ranks = torch.from_numpy(rankdata(similar[rows, columns].numpy().round(9)))
    return ranks - ranks.mean()
