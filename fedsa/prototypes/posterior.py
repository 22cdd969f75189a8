"""The new task as one more distribution over prototypes: closed form, no training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsa.task import Task

PRIOR = 0.02
TRANSFER = 0.1


def task_emission(
    responsibilities: Tensor,
    labelled: Tensor,
    labels: Tensor,
    beliefs: Tensor,
    prior: float = PRIOR,
    transfer: float = TRANSFER,
) -> Tensor:
    """Return the mean of the Dirichlet posterior over the task's emissions.

    ``alpha[m, y] = alpha_0 + sum_{x in D} a_m(x) [y] + rho sum_{x in U} a_m(x) q(y|x)``: labels
    count in full, beliefs about the transfer set count for ``rho``.

    Parameters
    ----------
    responsibilities : Tensor
        ``(n, M)`` on those items of the transfer set that have a label or were asked about.
    labelled, labels : Tensor
        ``(m,)`` indices among the ``n`` items, and their classes.
    beliefs : Tensor
        ``(n, C)`` q, rows on the simplex.
    prior, transfer : float
        alpha_0 and rho.

    Returns
    -------
    Tensor
        ``(M, C)``, rows on the simplex.
    """
    truth = F.one_hot(labels, beliefs.shape[1]).to(responsibilities.dtype)
    alpha = prior + responsibilities[labelled].T @ truth + transfer * responsibilities.T @ beliefs
    return alpha / alpha.sum(dim=1, keepdim=True)


def emissions(
    task: Task, responsibilities: Tensor, labelled: Tensor, labels: Tensor, beliefs: Tensor
) -> Tensor:
    """Return each head's emissions side by side, ``(M, outputs)``.

    Of a head of values they are the mean of the Beta posterior of each cell of the table, with the
    same counts as :func:`task_emission`: ``alpha_0`` in all, half of it on either side.

    Parameters
    ----------
    task : Task
        The heads.
    responsibilities, labelled, beliefs
        As in :func:`task_emission`; ``beliefs`` of all heads.
    labels : Tensor
        As the task has them.
    """
    a, parts = responsibilities, []
    for head in task.heads:
        own, about = head.labels(labels), beliefs[:, head.columns]
        if head.task.distributions:
            parts.append(task_emission(a, labelled, own, about))
            continue
        counts = PRIOR + a[labelled].sum(dim=0) + TRANSFER * a.sum(dim=0)
        sums = PRIOR / 2 + a[labelled].T @ own + TRANSFER * a.T @ about
        parts.append(sums / counts[:, None])
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def concentration(
    emission: Tensor,
    responsibilities: Tensor,
    labelled: Tensor,
    prior: float = PRIOR,
    transfer: float = TRANSFER,
) -> Tensor:
    """Return Dirichlet parameters about adapted emissions, with the mass of the closed form.

    Adaptation moves the mean of :func:`task_emission`; how sure of it one may be, that is
    ``sum_y alpha[m, y]``, still follows from the labels and items of each prototype; any mass that
    was chosen before the certificate's labels is a valid prior.

    Parameters
    ----------
    emission : Tensor
        ``(M, C)`` rows on the simplex.
    responsibilities, labelled, prior, transfer
        As in :func:`task_emission`.

    Returns
    -------
    Tensor
        ``(M, C)`` alpha.
    """
    items = responsibilities[labelled].sum(dim=0) + transfer * responsibilities.sum(dim=0)
    mass = prior * emission.shape[1] + items
    return emission.clamp_min(1e-6) * mass[:, None]
