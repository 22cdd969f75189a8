"""Whom a head listens to: of several heads each has its own teachers, selected for all of them."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from fedsa.fusion.stack import features
from fedsa.problem import Answers, Problem
from fedsa.transferability.cross_validation import held_out

POWERS = (0, 1, 2)
"""How sharply weights follow what a teacher tells of the head; 0 leaves them as they are."""


def own_weights(
    problem: Problem, answers: Answers, weights: Mapping[str, float]
) -> Mapping[str, float]:
    """Return the weights with which the answers tell a head's labels best.

    Weights that were made for all heads dilute the one teacher that knows this one's classes: a
    logistic regression on a few labels spends its penalty on the columns of the others. A
    teacher's weight is multiplied by a power of what it alone tells of held-out labels, in nats
    above chance; the power is the one under which all together tell them best.

    Parameters
    ----------
    problem : Problem
        Of one head of classes.
    answers : Answers
        The teachers' answers.
    weights : Mapping[str, float]
        The selection's weights, for all heads.
    """
    names = [name for name in answers if weights.get(name, 0.0) > 0]
    where, labels = problem.labelled, problem.labels
    alone = [features(answers, {name: 1.0})[where] for name in names]
    chance = torch.log(torch.tensor(float(problem.task.outputs)))
    told = (held_out(alone, labels, problem.seed).mean(dim=1) + chance).clamp_min(0.0)
    if float(told.max()) <= 0:
        return weights
    shares = (told / told.max()).tolist()
    ways = [
        {name: weights[name] * share**power for name, share in zip(names, shares, strict=True)}
        for power in POWERS
    ]
    blocks = [features(answers, way)[where] for way in ways]
    return ways[int(held_out(blocks, labels, problem.seed).mean(dim=1).argmax())]
