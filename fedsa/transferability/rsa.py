"""Representation similarity analysis (Dwivedi & Roig, CVPR 2019) on answers, without labels.

Two networks agree when they find the same *pairs* of items alike: Spearman's correlation of the
pairwise similarities of items under the teacher's and under the student's answers, similarity
being the Bhattacharyya coefficient sum_y sqrt(p(y|a) p(y|b)).
"""

from __future__ import annotations

from torch import Tensor

from fedsa.transferability.pairs import roots, spearman


def rsa(answers: Tensor, labels: Tensor | None, student: Tensor) -> float:
    """Return Spearman's rho in [-1, 1] of the two networks' pairwise similarities of items.

    Parameters
    ----------
    answers, student : Tensor
        ``(m, C_i)`` and ``(m, C)`` distributions on the same items.
    labels : Tensor | None
        Not used.
    """
    a, b = roots(answers), roots(student)
    return spearman(a @ a.T, b @ b.T)
