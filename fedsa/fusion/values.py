"""Answers that are values beside answers that are distributions, on one scale."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fedsa.problem import Answers

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
