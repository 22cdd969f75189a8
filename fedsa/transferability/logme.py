"""LogME, the logarithm of the maximum evidence (You et al., ICML 2021).

Each class's indicator y_c is regressed on the features F (here sqrt(p)) by a Bayesian linear
model with prior precision a of the weights and noise precision b. Its log evidence (equation 2)

    L(a, b) = n/2 log b + D/2 log a - n/2 log 2 pi - b/2 |F w - y|^2 - a/2 |w|^2 - 1/2 log|A|,
    A = a I + b F'F,  w = b A^-1 F'y

is maximised over a and b. One singular value decomposition of F serves all classes. With l = a / b,
q(l) = |F w - y|^2 + l |w|^2 = y' (I + F F' / l)^-1 y depends on l alone and the best b is n / q,
so that a line search over l finds the maximum; the authors iterate MacKay's fixed point instead,
which has the same maximum but creeps where features say nothing (a grows without end).
LogME is the mean over classes of L / n.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsa.transferability.pairs import roots

REACH = math.log(1e6)
"""How far log l is looked for on either side of zero; sqrt(p) has length one, so 1 is its scale."""
GRID, FINER, ROUNDS = 49, 17, 3
"""Points of the first line search, of each finer one around the best, and how many of these."""

_FLOOR = 1e-5
"""Least q: answers that give a class away exactly would have infinite evidence."""


def logme(answers: Tensor, labels: Tensor, student: Tensor | None = None) -> float:
    """Return LogME in nats an item.

    Parameters
    ----------
    answers : Tensor
        ``(m, C_i)`` the teacher's distributions on the labelled items.
    labels : Tensor
        ``(m,)`` their labels; classes that have none do not count.
    student : Tensor | None
        Not used.
    """
    truth = F.one_hot(labels).double()
    truth = truth[:, truth.sum(dim=0) > 0]
    u, s, _ = torch.linalg.svd(roots(answers), full_matrices=False)
    known = s > 1e-6 * s[0]
    seen = (u[:, known].T @ truth).square()
    unseen = (truth.square().sum(dim=0) - seen.sum(dim=0)).clamp_min(0.0)
    centre, step = torch.zeros(truth.shape[1]).double(), 2 * REACH / (GRID - 1)
    for points in (GRID, *[FINER] * ROUNDS):
        places = (
            centre + step * torch.linspace(-(points - 1) / 2, (points - 1) / 2, points)[:, None]
        )
        told = _evidence(places, s[known].square(), seen, unseen, len(truth))
        best, where = told.max(dim=0)
        centre = places.gather(0, where[None])[0]
        step = 2 * step / (FINER - 1)
    return float(best.mean())


def _evidence(logs: Tensor, spectrum: Tensor, seen: Tensor, unseen: Tensor, n: int) -> Tensor:
    """Return the log evidence an item, at the best b for each l.

    Parameters
    ----------
    logs : Tensor
        ``(P, C)`` log l, places for each class.
    spectrum : Tensor
        ``(r,)`` the eigenvalues of F'F that are not zero.
    seen : Tensor
        ``(r, C)`` squares of the indicators in the basis of the left singular vectors.
    unseen : Tensor
        ``(C,)`` squared length of the indicators outside that basis.
    n : int
        Number of items.
    """
    ratio = logs.exp()[:, None, :]  # (P, 1, C) against (r, 1)
    shrunk = ratio / (ratio + spectrum[:, None])
    q = ((shrunk * seen).sum(dim=1) + unseen).clamp_min(_FLOOR)
    told: Tensor = n * (n / q).log() + shrunk.log().sum(dim=1) - n * (1 + math.log(2 * math.pi))
    return told / (2 * n)
