"""How often each class is in the transfer set, told by the answers and not by counting labels.

A hundred labels of ten classes tell a share of a tenth to three hundredths, and labels that were
drawn class by class tell nothing. Predictions tell more: their mean over the transfer set is
``mu = M^T pi`` with M_yc what is predicted on average where the class is y, which held-out labels
show (Lipton, Wang and Smola, ICML 2018). Here pi is the posterior mean under a Gaussian prior about
equal shares, whose width the predictions tell themselves, as M is known from a few labels a class.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsa.fusion.stack import POWERS, left_out, regressions, told
from fedsa.problem import Problem
from fedsa.seeding import torch_generator
from fedsa.transferability.cross_validation import judges

SEEN = 10_000
"""Items whose predictions are taken, at most."""
FEWEST = 5.0
"""Labels a class, on average, with which M is worth estimating."""
SHRINK = 1.0
"""Labels that a row of M before any is seen counts for."""
WIDTHS = torch.logspace(-4, 0, 25, dtype=torch.float64)
"""Variances of the prior, in those of a single draw from equal shares."""
LEAST = 0.1
"""A share is at least this part of an equal one."""


def shares(problem: Problem, columns: Tensor, items: Tensor) -> Tensor:
    """Return the class shares of the transfer set, ``(C,)``, sum to one.

    Where labels are too few to be held out, what their counts tell
    (:attr:`fedsa.problem.Problem.shares`).

    Parameters
    ----------
    problem : Problem
        A classification and its labels.
    columns : Tensor
        ``(n, F)`` features of the transfer set.
    items : Tensor
        ``(k,)`` indices of the items whose shares are meant.
    """
    classes, where, labels = problem.task.outputs, problem.labelled, problem.labels
    masses = torch.ones(len(labels)) if problem.masses is None else problem.masses.float()
    some = judges(len(labels), problem.seed, "fusion")
    where, labels, masses = where[some], labels[some], masses[some]
    counts = torch.bincount(labels, minlength=classes)
    if len(labels) < FEWEST * classes or int((counts >= 2).sum()) <= classes / 2:
        return problem.shares
    if len(items) > SEEN:
        generator = torch_generator(problem.seed, "fusion", "shares")
        items = items[torch.randperm(len(items), generator=generator)[:SEEN]]
    even = (counts.clamp_min(1) / len(labels)).log()  # what a regression has of the counts
    held = left_out(labels, problem.seed)
    weights = regressions(columns, where, labels, classes, ~held)
    known, seen = (told(columns[rows], weights) - even for rows in (where, items))
    sharp = max(POWERS, key=lambda t: _likelihood(t * known, held, labels))
    alone = counts[labels] < 2
    times = held.sum(dim=0).clamp_min(1)
    rows = (held[:, :, None] * (sharp * known).softmax(dim=2)).sum(dim=0) / times[:, None]
    each = (sharp * seen).softmax(dim=2).mean(dim=1)
    mean = held.double().sum(dim=1) @ each.double() / held.sum()
    rows, labels, masses = rows.double()[~alone], labels[~alone], masses.double()[~alone]
    return _posterior(rows, labels, masses, mean).to(columns.dtype)


def _likelihood(logs: Tensor, held: Tensor, labels: Tensor) -> float:
    """Return the log-likelihood of the held-out labels, all classes alike."""
    right = logs.log_softmax(dim=2)[:, torch.arange(len(labels)), labels]
    return float((right * held / torch.bincount(labels)[labels]).sum())


def _posterior(rows: Tensor, labels: Tensor, masses: Tensor, mean: Tensor) -> Tensor:
    """Return the posterior mean of the shares.

    Parameters
    ----------
    rows : Tensor
        ``(m, C)`` what is predicted of held-out labelled items.
    labels, masses : Tensor
        ``(m,)`` their classes, and what each stands for.
    mean : Tensor
        ``(C,)`` the mean of the same predictions over the transfer set.
    """
    classes, count = len(mean), len(labels)
    eye = torch.eye(classes, dtype=torch.float64)
    even = eye.mean(dim=0)
    within = F.one_hot(labels, classes).double() * masses[:, None]
    within = within / within.sum(dim=0).clamp_min(1e-12)
    size = torch.where(within.sum(dim=0) > 0, 1.0 / within.square().sum(dim=0), 0.0)
    own = within.T @ rows
    apart = rows - own[labels]
    noise = apart.T @ apart / max(1, count - int((size > 0).sum()))
    right = rows[torch.arange(count), labels].mean()
    before = eye * right + (1.0 - eye) * (1.0 - right) / max(1, classes - 1)
    matrix = (size[:, None] * own + SHRINK * before) / (size + SHRINK)[:, None]
    noise = noise * (even.square() / (size + SHRINK)).sum() + 1e-9 * eye
    prior, off = even.diag() - torch.outer(even, even), mean - matrix.T @ even
    weights, found = [], []
    for width in WIDTHS:
        root = torch.linalg.cholesky(matrix.T @ (width * prior) @ matrix + noise)
        solved = torch.cholesky_solve(off[:, None], root)[:, 0]
        weights.append(-0.5 * off @ solved - root.diagonal().log().sum())
        found.append(even + width * prior @ matrix @ solved)
    pi = (torch.stack(weights).softmax(dim=0)[:, None] * torch.stack(found)).sum(dim=0)
    pi = pi.clamp_min(LEAST / classes)
    return pi / pi.sum()
