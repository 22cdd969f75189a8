"""What several estimators share: sqrt(p) as features, and the ranks of pairs of items."""

from __future__ import annotations

import torch
from torch import Tensor


def roots(answers: Tensor) -> Tensor:
    """Return sqrt(p), ``(m, C_i)`` float64: features of unit length whatever the teacher.

    The estimators that were made for a network's inner features read these in their stead, as a
    black box shows nothing else. On the sphere of sqrt(p), unlike on logarithms, a class that is
    all but excluded does not outweigh the rest.
    """
    return answers.double().clamp_min(0.0).sqrt()


def spearman(one: Tensor, other: Tensor) -> float:
    """Return Spearman's rho of two ``(m, m)`` symmetric matrices above their diagonals.

    Returns
    -------
    float
        In [-1, 1]; 0 where one of them has the same value for all pairs.
    """
    a, b = _ranks(one), _ranks(other)
    norms = a.norm() * b.norm()
    return float(a @ b / norms) if float(norms) > 0 else 0.0


def _ranks(pairs: Tensor) -> Tensor:
    from scipy.stats import rankdata  # here, since it loads slowly and no default needs it

    rows, columns = torch.triu_indices(len(pairs), len(pairs), offset=1)
    # Rounding would break ties of items that are answered alike, and rank pure noise.
    ranks = torch.from_numpy(rankdata(pairs[rows, columns].numpy().round(9)))
    return ranks - ranks.mean()
