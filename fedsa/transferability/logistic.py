"""Many small L2 logistic regressions at once: every teacher, every fold, one batched solver.

Minimises 1/2 |W|^2 + C sum_j CE(y_j, softmax(W f_j + b)) (scikit-learn's convention; the
intercept b is free) by Nesterov steps under Boehning's bound (1992): the Hessian of the
cross-entropy is at most 1/2 sum_j f_j f_j^T for every class, so one small Cholesky factor a
problem is a safe metric for all steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

STEPS = 40


def fit_predict(
    features: Tensor, targets: Tensor, train: Tensor, strength: float, steps: int = STEPS
) -> Tensor:
    """Fit on the items in ``train`` and return log-probabilities on all items.

    Parameters are those of :func:`fit`.

    Returns
    -------
    Tensor
        ``(B, m, C)`` log-probabilities.
    """
    weights = fit(features, targets, train, strength, steps)
    return torch.log_softmax(features @ weights[:, :-1] + weights[:, -1:], dim=2)


def fit(
    features: Tensor, targets: Tensor, train: Tensor, strength: float, steps: int = STEPS
) -> Tensor:
    """Fit on the items in ``train``.

    Parameters
    ----------
    features : Tensor
        ``(B, m, F)`` items of each problem.
    targets : Tensor
        ``(m, C)`` one-hot labels, shared by all problems.
    train : Tensor
        ``(B, m)`` 1.0 for items to fit on, 0.0 for those held out.
    strength : float
        C, the weight of the data against the penalty.

    Returns
    -------
    Tensor
        ``(B, F + 1, C)`` weights, the intercept last.
    """
    ones = torch.ones_like(features[..., :1])
    inputs = torch.cat([features, ones], dim=2)
    penalty = torch.ones(inputs.shape[2], dtype=inputs.dtype)
    penalty[-1] = 0.0
    weighed = inputs * (strength * train[..., None])
    bound = 0.5 * weighed.mT @ inputs + torch.diag(penalty) + 1e-6 * torch.eye(len(penalty))
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(bound))
    weights = torch.zeros(len(inputs), inputs.shape[2], targets.shape[1], dtype=inputs.dtype)
    ahead = weights
    for step in range(steps):
        residual = torch.softmax(inputs @ ahead, dim=2) - targets
        gradient = weighed.mT @ residual + penalty[:, None] * ahead
        new = ahead - inverse @ gradient
        ahead = new + step / (step + 3) * (new - weights)
        weights = new
    return weights
