"""Whom a head of several listens to, of the teachers selected for all of them, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from fedsa.fusion.sight import FEWEST, beyond_chance, likelihood
from fedsa.fusion.stack import features, regress
from fedsa.problem import Answers, Problem
from fedsa.transferability.cross_validation import FOLDS, above_shares, deal, folds, held_out

POWERS = (0, 1, 2)
"""How sharply weights follow what a teacher tells of the head; 0 leaves them as they are."""


def own_weights(
    problem: Problem, answers: Answers, weights: Mapping[str, float]
) -> Mapping[str, float]:
    """Return the weights with which the answers tell a head's labels best.

    Weights that were made for all heads dilute the one teacher that knows this one's classes: a
    logistic regression on a few labels spends its penalty on the columns of the others. A
    teacher's weight is multiplied by a power of what it alone tells of held-out labels, in nats
    above the class shares; the power is the one under which all together tell them best.

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
    told = above_shares(alone, labels, problem.seed).mean(dim=1).clamp_min(0.0)
    if float(told.max()) <= 0:
        return weights
    shares = (told / told.max()).tolist()
    ways = [
        {name: weights[name] * share**power for name, share in zip(names, shares, strict=True)}
        for power in POWERS
    ]
    blocks = [features(answers, way)[where] for way in ways]
    return ways[int(held_out(blocks, labels, problem.seed).mean(dim=1).argmax())]


def stack_tells_more(problem: Problem, columns: Tensor, whole: Callable[[Problem], Tensor]) -> bool:
    """Whether held-out labels are told better by the stack alone, beyond chance.

    Items that are answered alike are mostly of one class where teachers know the classes. Of a
    size that they only tell roughly this is not so: what spreads among such items is wrong.

    Parameters
    ----------
    problem : Problem
        Of one head of classes.
    columns : Tensor
        ``(n, F)`` the stack's features.
    whole : Callable[[Problem], Tensor]
        From a problem with some of the labels to the beliefs ``(n, C)`` that all steps make.
    """
    where, labels, classes = problem.labelled, problem.labels, problem.task.outputs
    if len(labels) < FEWEST * classes or int(torch.bincount(labels, minlength=classes).min()) < 2:
        return False
    alone, joint = (torch.zeros(len(labels), classes) for _ in range(2))
    for held in folds(deal(labels, FOLDS, 1, problem.seed), FOLDS):
        rest = replace(problem, labelled=where[~held], labels=labels[~held], masses=None)
        alone[held] = regress(columns, rest.labelled, rest.labels, classes)[where[held]]
        joint[held] = whole(rest)[where[held]]
    every = torch.ones(1, len(labels), dtype=torch.bool)
    less, more = (
        likelihood(found.clamp_min(1e-6).log()[None], labels, every) for found in (joint, alone)
    )
    return beyond_chance(more - less)
