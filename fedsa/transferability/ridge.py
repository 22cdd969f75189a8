"""Ridge regression of values on features, and its errors on labels that it has not seen.

The penalty is the one of ``PENALTIES`` with the least squared error when labels are left out one at
a time, which has a closed form (Golub, Heath and Wahba, Technometrics 1979).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

PENALTIES = tuple(10.0**power for power in (-2, -1, 0, 1, 2, 3))


@dataclass(frozen=True)
class Fitted:
    """A ridge regression, ``(x - centre) weights + mean``.

    Parameters
    ----------
    centre, mean : Tensor
        ``(F,)`` and ``(k,)`` means of features and values.
    weights : Tensor
        ``(F, k)``.
    residuals : Tensor
        ``(m, k)`` the errors on each label when it alone is left out.
    """

    centre: Tensor
    mean: Tensor
    weights: Tensor
    residuals: Tensor


def fit(features: Tensor, values: Tensor) -> Fitted:
    """Fit values ``(m, k)`` on features ``(m, F)``, all in float64."""
    inputs, targets = features.double(), values.double()
    centre, mean = inputs.mean(dim=0), targets.mean(dim=0)
    u, s, v = torch.linalg.svd(inputs - centre, full_matrices=False)
    turned = u.T @ (targets - mean)

    def left_out(penalty: float) -> Tensor:
        shrunk = s.square() / (s.square() + penalty)
        leverage = (u.square() * shrunk).sum(dim=1) + 1.0 / len(inputs)
        wrong = targets - mean - (u * shrunk) @ turned
        corrected: Tensor = wrong / (1.0 - leverage).clamp_min(1e-6)[:, None]
        return corrected

    errors = [left_out(penalty) for penalty in PENALTIES]
    best = min(range(len(PENALTIES)), key=lambda i: float(errors[i].square().sum()))
    weights = v.T @ ((s / (s.square() + PENALTIES[best]))[:, None] * turned)
    return Fitted(centre, mean, weights, errors[best])


def explained(features: Tensor, values: Tensor) -> Tensor:
    """Return how much better each left-out label is told than by the mean of the others, ``(m,)``.

    In units of the mean squared error of that mean, so that the mean over items is the share of
    the variance that is explained on labels not seen, at most one.

    Parameters
    ----------
    features : Tensor
        ``(m, F)``.
    values : Tensor
        ``(m, k)``.
    """
    targets = values.double()
    m = len(targets)
    blind = ((targets - targets.mean(dim=0)) * m / (m - 1)).square().sum(dim=1)
    seen = fit(features, values).residuals.square().sum(dim=1)
    better: Tensor = (blind - seen) / blind.mean().clamp_min(1e-12)
    return better
