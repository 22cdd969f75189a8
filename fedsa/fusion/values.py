"""Values: answers that are some, on one scale with distributions; what is believed of some."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsa.problem import Answers
from fedsa.transferability.ridge import fit

LEAST = 1e-3
"""Least total variance: a teacher that says the same of all items is not worth fitting exactly."""


def filled(answers: Answers, name: str) -> Tensor:
    """Return a teacher's answers with what was not asked filled in: 0, or -1 where they are values.

    A distribution of zeros adds nothing to a cross-entropy; a value of zero would be an answer.
    """
    return answers[name].nan_to_num(-1.0 if name in answers.graded else 0.0)


def units(answers: Answers, names: Sequence[str]) -> Tensor:
    """Return in which units each teacher's misfit is measured, ``(N,)``.

    One (nats) for distributions; for values the total variance of what the teacher answered. The
    squared error in these units is the share of it that is not explained: about one for who does
    not look at the items, however many values there are, as a few classes have it in nats.

    Parameters
    ----------
    answers : Answers
        The teachers' answers.
    names : Sequence[str]
        Of whom.
    """
    found = torch.ones(len(names))
    for place, name in enumerate(names):
        if name in answers.graded:
            asked = answers[name][answers.asked(name)]
            found[place] = max(LEAST, float(asked.var(dim=0, correction=0).sum()))
    return found


def regress_values(columns: Tensor, labelled: Tensor, labels: Tensor) -> Tensor:
    """Fit a ridge regression of values on the labelled rows; predict on all rows.

    Where all labels are yes or no, what it says becomes a probability: a logistic curve, one for
    all columns, is laid through what it says of each label when that one is left out (Platt, 1999).
    A ridge alone keeps to the mean, so a cell that is probably set is told to be hardly.

    Parameters
    ----------
    columns : Tensor
        ``(n, F)`` features.
    labelled, labels : Tensor
        ``(m,)`` row indices, and ``(m, k)`` values in [0, 1].

    Returns
    -------
    Tensor
        ``(n, k)`` in [0, 1].
    """
    fitted = fit(columns[labelled], labels)
    told: Tensor = (columns.double() - fitted.centre) @ fitted.weights + fitted.mean
    if bool(((labels == 0) | (labels == 1)).all()):
        slope, height = _curve(labels.double() - fitted.residuals, labels.double())
        if slope > 0:  # else the labels left out say nothing of the ridge
            return (slope * told + height).sigmoid().to(columns.dtype)
    return told.clamp(0.0, 1.0).to(columns.dtype)


def _curve(told: Tensor, labels: Tensor) -> tuple[float, float]:
    """Return slope and height of the log-odds; labels count as a little short of sure."""
    yes, no = float(labels.sum()), float((1 - labels).sum())
    sure = torch.where(labels > 0, (yes + 1) / (yes + 2), 1 / (no + 2))
    found = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([found], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = F.binary_cross_entropy_with_logits(found[0] * told + found[1], sure)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    slope, height = found.tolist()
    return slope, height
