"""H-score (Bao et al., ICIP 2019) and its shrunk form (Ibrahim et al., ECML 2022).

H = tr(cov(f)^-1 cov(E[f|y])) for features f of the labelled items: how much of the features'
variance, whitened, lies between the classes. Here f = sqrt(p). With fewer labels than outputs
cov(f) is singular: the first form takes the pseudo-inverse, as its authors' code does, and is then
as large as it can be whatever the labels. The second shrinks the covariance towards a multiple
of the identity, as Ledoit and Wolf estimate best (Journal of Multivariate Analysis 2004), and
the part between the classes by as much.
"""

from __future__ import annotations

import torch
from sklearn.covariance import ledoit_wolf
from torch import Tensor

from fedsa.transferability.pairs import roots

_RANK = 1e-7
"""Share of the largest eigenvalue below which a direction is rounding (answers are float32)."""


def h_score(answers: Tensor, labels: Tensor, student: Tensor | None = None) -> float:
    """Return H, from 0 to the number of classes less one.

    Parameters
    ----------
    answers : Tensor
        ``(m, C_i)`` the teacher's distributions on the labelled items.
    labels : Tensor
        ``(m,)`` their labels.
    student : Tensor | None
        Not used.
    """
    features, between = _between(answers, labels)
    within = features.T @ features / len(features)
    inverse = torch.linalg.pinv(within, rtol=_RANK, atol=1e-12, hermitian=True)
    return float((inverse * between).sum())


def shrunk_h_score(answers: Tensor, labels: Tensor, student: Tensor | None = None) -> float:
    """Return the shrunk H, from 0 to the number of classes less one; arguments as H-score's."""
    features, between = _between(answers, labels)
    if float(features.square().mean()) < 1e-12:
        return 0.0
    covariance, share = ledoit_wolf(features.numpy(), assume_centered=True)
    solved = torch.linalg.solve(torch.from_numpy(covariance), between)
    return (1.0 - float(share)) * float(solved.trace())


def _between(answers: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the centred features and the covariance of their means by class."""
    features = roots(answers)
    features = features - features.mean(dim=0)
    truth = torch.nn.functional.one_hot(labels).double()
    sizes = truth.sum(dim=0).clamp_min(1.0)
    means = truth.T @ features / sizes[:, None]
    return features, (means.T * truth.sum(dim=0)) @ means / len(features)
