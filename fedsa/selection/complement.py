"""Who says, under names that the labels bear out, what nobody selected says.

Scores see each teacher by itself, so the only one that tells a few classes apart which are hard to
tell can have a low one: its answers tell little of all labels. Names make a fair trial possible
with few labels, since what is told under them is fitted to none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from fedsa.problem import Answers, Problem
from fedsa.task import Classification
from fedsa.transferability.names import POWER, Named

ERRORS = 1.0
"""Standard errors that a gain must clear, lest a teacher be let in by chance."""

SURE = 0.99
"""Probability that a teacher's names mean what they say, from which any gain is enough."""

LEAST = 1e-3
"""Nats a label below which a gain is none, sure or not."""


def complement(
    problem: Problem, answers: Answers, weights: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    """Return the teachers that should count in full for what they say by name, in that order.

    The log-likelihood of the labels under what the selected ones tell by name, to the power that a
    stack starts from; then with one more teacher in full, or one in full that had a part of the
    weight. The one that gains most comes in, and so on, while a gain is above its standard error,
    or above ``LEAST`` for names that labels bear out beyond doubt. Who says what others do gains
    a little too, as a mean over more is surer. Labels of one class show nothing, as there is none
    that could have been said in its place.

    Parameters
    ----------
    problem : Problem
        A classification; with its labels.
    answers : Answers
        Of the labelled items at least, with the names that the teachers tell.
    weights : Mapping[str, float]
        The selection's weights.

    Returns
    -------
    dict[str, tuple[float, float]]
        Gain and its standard error, in nats a label.
    """
    assert isinstance(problem.task, Classification), "only classes have names"
    rows = {name: answers[name][problem.labelled] for name in answers.names}
    labels, full = problem.labels, max(weights.values(), default=0.0)
    where = torch.arange(len(labels))
    named = Named(replace(problem, labelled=where), Answers(rows, names=answers.names))
    now = {name: weight for name, weight in weights.items() if name in named.teachers}
    nothing = torch.full((len(labels),), -math.log(problem.task.outputs))

    def right(weights: Mapping[str, float]) -> Tensor:
        told = named.told(weights)
        return nothing if told is None else (POWER * told.logs).log_softmax(1)[where, labels]

    found: dict[str, tuple[float, float]] = {}
    while len(torch.unique(labels)) > 1:
        before, gains = right(now), {}
        for name in named.teachers:
            if now.get(name, 0.0) < full:
                gain = right({**now, name: full}) - before
                if int((gain != 0).sum()) > 1:  # a single label's gain is its own standard error
                    gains[name] = float(gain.mean()), float(gain.std()) / math.sqrt(len(labels))
        worth = {
            name: pair
            for name, pair in gains.items()
            if pair[0] > (LEAST if named.sure(name) > SURE else max(LEAST, ERRORS * pair[1]))
        }
        if not worth:
            break
        best = max(worth, key=lambda name: worth[name][0])
        now[best], found[best] = full, worth[best]
    return found
