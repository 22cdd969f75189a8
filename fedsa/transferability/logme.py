"""LogME, the logarithm of the maximum evidence (You et al., ICML 2021).

Each class's indicator y_c is regressed on the features F (here sqrt(p)) by a Bayesian linear
model with prior precision a of the weights and noise precision b. Its log evidence (equation 2)

    L(a, b) = n/2 log b + D/2 log a - n/2 log 2 pi - b/2 |F w - y|^2 - a/2 |w|^2 - 1/2 log|A|,
    A = a I + b F'F,  w = b A^-1 F'y

is maximised over a and b by MacKay's fixed point, a = g / |w|^2 and b = (n - g) / |F w - y|^2,
with g = sum_i b s_i / (a + b s_i) the number of well-determined weights. One singular value
decomposition of F serves all classes and all steps. LogME is the mean over classes of L / n.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsa.transferability.pairs import roots

STEPS = 200
CLOSE = 1e-7
"""Relative change of a / b at which the fixed point is reached."""

_FLOOR = 1e-5
"""Least squared residual, and least squared norm of the weights: answers that give a class away
exactly would have infinite evidence, and so would features that say nothing."""


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
    return float(_evidence(s[known].square(), u[:, known].T @ truth, truth).mean())


def _evidence(spectrum: Tensor, seen: Tensor, truth: Tensor) -> Tensor:
    """Return the maximal log evidence an item of each class.

    Parameters
    ----------
    spectrum : Tensor
        ``(r,)`` the eigenvalues of F'F that are not zero.
    seen : Tensor
        ``(r, C)`` the indicators in the basis of the left singular vectors.
    truth : Tensor
        ``(n, C)`` the indicators.
    """
    n, s = len(truth), spectrum[:, None]
    unseen = (truth.square().sum(dim=0) - seen.square().sum(dim=0)).clamp_min(0.0)
    a, b = torch.ones(truth.shape[1]).double(), torch.ones(truth.shape[1]).double()
    for _ in range(STEPS):
        g, weights, residual = _moments(s, seen, unseen, a, b)
        ratio = a / b
        a, b = g / weights.clamp_min(_FLOOR), (n - g).clamp_min(1e-9) / residual.clamp_min(_FLOOR)
        if bool(((a / b - ratio).abs() <= CLOSE * ratio).all()):
            break
    _, weights, residual = _moments(s, seen, unseen, a, b)
    told = n * b.log() + len(spectrum) * a.log() - n * math.log(2 * math.pi)
    told = told - b * residual - a * weights - (a + b * s).log().sum(dim=0)
    return told / (2 * n)


def _moments(
    s: Tensor, seen: Tensor, unseen: Tensor, a: Tensor, b: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return g, the squared norm of the weights, and the squared residual, each ``(C,)``."""
    precision = a + b * s
    weights = (s * (b * seen / precision).square()).sum(dim=0)
    residual = (a * seen / precision).square().sum(dim=0) + unseen
    return (b * s / precision).sum(dim=0), weights, residual
