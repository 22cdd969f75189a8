"""LEEP, the log expected empirical prediction (Nguyen et al., ICML 2020, equations 1 and 2).

With theta(x) the teacher's answer: P(y, z) = 1/m sum_{x: y_x = y} theta(x)_z, P(y|z) = P(y, z) /
P(z), and LEEP = 1/m sum_x log sum_z P(y_x|z) theta(x)_z: the log-likelihood of the labels when
the teacher's classes are the only thing known, never above 0.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def leep(answers: Tensor, labels: Tensor, student: Tensor | None = None) -> float:
    """Return LEEP in nats an item.

    Parameters
    ----------
    answers : Tensor
        ``(m, C_i)`` the teacher's distributions on the labelled items.
    labels : Tensor
        ``(m,)`` their labels.
    student : Tensor | None
        Not used.
    """
    theta = answers.double()
    truth = F.one_hot(labels).double()
    joint = truth.T @ theta / len(theta)
    given = joint / joint.sum(dim=0, keepdim=True).clamp_min(1e-300)
    likelihood = (theta @ given.T).gather(1, labels[:, None])
    return float(torch.log(likelihood.clamp_min(1e-300)).mean())
