"""The stack: regressions on the teachers' answers, fitted on the labelled items."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from fedsa.problem import Answers
from fedsa.transferability.cross_validation import FOLDS, deal, folds
from fedsa.transferability.logistic import fit as fit_logistic
from fedsa.transferability.names import POWER

PENALTY = 10.0
"""1 / C of an L2 logistic regression on features of unit root mean square."""
ENOUGH = 160
"""Held-out figures after which folds are not dealt anew."""
LEAN = 2.0
"""Penalty a column beside what is known before, of many labels: the prior of a logit is then as
narrow, however many columns there are."""
TRUSTED = 40.0
"""Labels a class at which that penalty is double: one or five of a class spoil more than they mend,
where teachers are many."""
POWERS = torch.logspace(-0.7, 1.3, 41)
"""Powers that held-out predictions are raised to; the labels tell which is best."""


def features(
    answers: Answers, weights: Mapping[str, float], trust: Mapping[str, Tensor] | None = None
) -> Tensor:
    """Return ``concat_i sqrt(N s_i t_i p_i)``, centred and divided by one global rms.

    The square root makes Euclidean distance the Hellinger distance of answers; one global
    scale, since scaling each column would inflate the near-constant columns of useless teachers.
    Values are taken as they are, being the scale on which they are measured.

    Parameters
    ----------
    answers : Answers
        A teacher that was not asked about an item counts there as its own mean answer.
    weights : Mapping[str, float]
        s_i; teachers without a positive weight are left out.
    trust : Mapping[str, Tensor] | None
        ``(n,)`` t_i in [0, 1] of each teacher: how far it counts on each item (in full without).

    Returns
    -------
    Tensor
        ``(n, sum_i C_i)`` float32.
    """
    names = [name for name in answers if weights.get(name, 0.0) > 0]
    total = sum(weights[name] for name in names)
    columns = []
    for name in names:
        root = answers[name] if name in answers.graded else answers[name].sqrt()
        centred = (root - root.nanmean(dim=0)).nan_to_num(0.0)
        if trust is not None:
            centred = centred * trust[name].sqrt()[:, None]
        columns.append(centred * (len(names) * weights[name] / total) ** 0.5)
    return scale(torch.cat(columns, dim=1))


def scale(columns: Tensor) -> Tensor:
    """Centre the columns and divide all by one root mean square."""
    centred = columns - columns.mean(dim=0)
    return centred / centred.square().mean().sqrt().clamp_min(1e-8)


def regress(
    columns: Tensor,
    labelled: Tensor,
    labels: Tensor,
    classes: int,
    before: Tensor | None = None,
    lean: bool = False,
) -> Tensor:
    """Fit an L2-penalised softmax regression on the labelled rows; predict on all rows.

    Parameters
    ----------
    columns : Tensor
        ``(n, F)`` features.
    labelled, labels : Tensor
        ``(m,)`` row indices and classes.
    classes : int
        C.
    before : Tensor | None
        ``(n, C)`` log-probabilities that are known before; the regression adds to them, times a
        power that the labels tell (``POWER`` before any).
    lean : bool
        Whether to add little to them: no intercepts, and a penalty of ``LEAN`` a column, times
        1 + ``TRUSTED`` / labels a class.

    Returns
    -------
    Tensor
        ``(n, C)`` rows on the simplex.
    """
    inputs = columns[labelled].double()
    basis = _span(inputs)
    reduced = inputs @ basis
    lean_penalty = LEAN * columns.shape[1] * (1.0 + TRUSTED * classes / max(1, len(labels)))
    penalty = lean_penalty if lean else PENALTY
    weight = torch.zeros(reduced.shape[1], classes, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    power = torch.tensor(POWER, dtype=torch.float64, requires_grad=True)
    fitted = [weight, *([] if lean else [bias]), *([] if before is None else [power])]
    optimiser = torch.optim.LBFGS(
        fitted, max_iter=200, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        logits = reduced @ weight + bias
        if before is not None:
            logits = logits + power * before[labelled]
        loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
        loss = loss + 0.5 * penalty * weight.square().sum()
        if before is not None:
            loss = loss + 0.5 * (power - POWER).square()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        logits: Tensor = columns.double() @ (basis @ weight) + bias
        if before is not None:
            logits = logits + power * before
        return logits.softmax(dim=1).to(columns.dtype)


def regressions(
    columns: Tensor, labelled: Tensor, labels: Tensor, classes: int, train: Tensor
) -> Tensor:
    """Fit :func:`regress` to several choices of the labelled rows, all at once.

    Parameters
    ----------
    columns, labelled, labels, classes
        As there.
    train : Tensor
        ``(B, m)`` bool: which labelled rows count in each.

    Returns
    -------
    Tensor
        ``(B, F + 1, C)`` weights, the intercept last: 40 steps of a solver that need not be exact,
        as what is held out is all that it serves for.
    """
    inputs = columns[labelled]
    basis, truth = _span(inputs), torch.nn.functional.one_hot(labels, classes).to(inputs.dtype)
    every = (inputs @ basis).expand(len(train), -1, -1)
    found = fit_logistic(every, truth, train.to(inputs.dtype), 1.0 / PENALTY)
    return torch.cat([basis @ found[:, :-1], found[:, -1:]], dim=1)


def left_out(labels: Tensor, seed: int) -> Tensor:
    """Return which labelled rows are held out in turn, ``(B, m)`` bool; fewer take more turns."""
    repeats = max(1, math.ceil(ENOUGH / max(1, len(labels))))
    return folds(deal(labels, FOLDS, repeats, seed), FOLDS)


def told(rows: Tensor, weights: Tensor) -> Tensor:
    """Return the log-probabilities of :func:`regressions` on rows ``(n, F)``: ``(B, n, C)``."""
    logits = rows @ weights[:, :-1] + weights[:, -1:]
    found: Tensor = logits.log_softmax(dim=2).clamp_min(math.log(1e-6))
    return found


def _span(inputs: Tensor) -> Tensor:
    """Return a basis in which the solution lies: the labelled rows' span, if rows are wide.

    So two hundred teachers' answers cost no more than the labels are many.
    """
    if inputs.shape[1] > inputs.shape[0]:
        found: Tensor = torch.linalg.qr(inputs.T).Q
        return found
    return torch.eye(inputs.shape[1], dtype=inputs.dtype)
