"""What teachers call their classes, where they tell, and what they answer under the task's names.

The mean of the answers under a class's own name, over the teachers that have it, tells most items
right without any label: who has not learnt an item's class spreads over others, each of which most
of those who know it deny. Names may mislead, by chance or on purpose. So a teacher's names count as
far as its answers to labelled items of the classes that it names bear them out, and all of them
only where held-out labels are not told better without.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fedsa.fusion.sight import beyond_chance, enough, held_out, likelihood
from fedsa.fusion.stack import left_out, regress
from fedsa.problem import Answers, Problem
from fedsa.task import Classification
from fedsa.transferability.cross_validation import judges

ASTRAY = 0.1
"""Part of the answers to items of a named class that are as at chance, whoever names it."""
BEFORE = 4.0
"""Odds, before any label, that a teacher means by a name what the task means by it."""
FLOOR = 0.1
"""What is told of a class is at least this part of an even share."""


class Told(NamedTuple):
    """What answers say under the names of the task's classes."""

    rows: Tensor
    """``(n, C)`` float32 on the simplex; a class that nobody names has an even share of all."""
    known: Tensor
    """``(C,)`` bool: which classes somebody names."""

    @property
    def logs(self) -> Tensor:
        """Logarithms of the rows, none below that of ``FLOOR`` times an even share."""
        return self.rows.clamp_min(FLOOR / self.rows.shape[1]).log()


def told_by_name(problem: Problem, answers: Answers, weights: Mapping[str, float]) -> Told | None:
    """Return what the answers say under the names of the task's own classes, if there are any.

    Parameters
    ----------
    problem : Problem
        A classification and its labels.
    answers : Answers
        The teachers' answers, with the names that they tell.
    weights : Mapping[str, float]
        The selection's weights; teachers without a positive one are left out, as are those whose
        names are likelier to mislead than to mean what they say (:func:`borne_out`).
    """
    task = problem.task
    assert isinstance(task, Classification), "only classes have names"
    every, owner = _names(task)
    size = len(problem.transfer)
    mass, weight = torch.zeros(size, len(every)), torch.zeros(size, len(every))
    for teacher, names in answers.names.items():
        place = places(every, names)
        if weights.get(teacher, 0.0) <= 0 or not bool(place.any()):
            continue
        sure = borne_out(problem, answers[teacher], place @ owner)
        if sure > 0.5:
            counts = weights[teacher] * sure
            mass += counts * answers[teacher].nan_to_num(0.0) @ place
            weight += counts * answers.asked(teacher)[:, None] * place.amax(dim=0)
    if not bool(weight.any()):
        return None
    mean = torch.where(weight > 0, mass / weight.clamp_min(1e-12), 0.0).clamp(0.0, 1.0)
    # Names of one class may mean the same, or parts of it: either, as if independent, is between.
    either = 1.0 - torch.exp((1.0 - mean).clamp_min(1e-6).log() @ owner)
    known = (weight.amax(dim=0) @ owner) > 0
    total = either.sum(dim=1, keepdim=True)
    shares = torch.where(total > 0, either / total.clamp_min(1e-12), known / known.sum())
    even = 1.0 / task.outputs
    return Told(torch.where(known, shares * known.sum() * even, even), known)


def suffice(told: Told, problem: Problem, columns: Tensor) -> bool:
    """Whether all classes are named, and held-out labels are not told better without names.

    Beyond chance, as for sight (:func:`fedsa.fusion.sight.tells_more`); labels that are too few to
    be held out do not speak against the names.

    Parameters
    ----------
    told : Told
        What is said under the names.
    problem : Problem
        With its labels.
    columns : Tensor
        ``(n, F)`` the stack's features, which tell without names.
    """
    if not bool(told.known.all()):
        return False
    some = judges(len(problem.labels), problem.seed, "fusion")
    where, labels = problem.labelled[some], problem.labels[some]
    if not enough(labels):
        return True
    rows, logs, held = columns[where], told.logs[where], left_out(labels, problem.seed)

    def beside(kept: Tensor) -> Tensor:
        index = kept.nonzero()[:, 0]
        return regress(rows, index, labels[index], problem.task.outputs, logs, lean=True)

    with_names = torch.stack([beside(~out) for out in held]).clamp_min(1e-6).log()
    without = held_out(rows, labels, held)
    return not beyond_chance(without - likelihood(with_names, labels, held))


def strangers(problem: Problem, answers: Answers, weights: Mapping[str, float]) -> bool:
    """Whether the teachers, by weight most of them, tell names, and none is one of the task's."""
    task = problem.task
    assert isinstance(task, Classification), "only classes have names"
    every, _ = _names(task)
    total = sum(weights.get(teacher, 0.0) for teacher in answers)
    tell = 0.0
    for teacher, names in answers.names.items():
        weight = weights.get(teacher, 0.0)
        if weight > 0 and any(_plain(name) for name in names):
            if bool(places(every, names).any()):
                return False
            tell += weight
    return tell > total / 2


def places(every: Mapping[str, int], names: Sequence[str]) -> Tensor:
    """Return which of a teacher's classes have which names, ``(C_i, len(every))`` of 0 and 1.

    Case, spaces and signs do not matter. A name without a letter says nothing: numbers are what
    classes are called that have no names.

    Parameters
    ----------
    every : Mapping[str, int]
        Column of each name, in plain letters.
    names : Sequence[str]
        The teacher's, in the order of its answers.
    """
    found = torch.zeros(len(names), len(every))
    for row, name in enumerate(names):
        if (column := every.get(_plain(name))) is not None:
            found[row, column] = 1.0
    return found


def borne_out(problem: Problem, answers: Tensor, place: Tensor) -> float:
    """Return the probability that a teacher's names mean what they say.

    On a labelled item of a class that the teacher names it gives the name ``p``, at chance
    ``1 / C_i``. The odds are those before any label times ``(1 - ASTRAY) p C_i + ASTRAY`` of each.

    Parameters
    ----------
    problem : Problem
        With its labels.
    answers : Tensor
        ``(n, C_i)``, rows of NaN where it was not asked.
    place : Tensor
        ``(C_i, C)`` of 0 and 1: which of its classes is which of the task's.
    """
    rows = (answers @ place)[problem.labelled, problem.labels]
    chance = (place.sum(dim=0) / len(place))[problem.labels]
    counts = (chance > 0) & ~torch.isnan(rows)
    ratio = rows[counts] / chance[counts]
    odds = ((1.0 - ASTRAY) * ratio + ASTRAY).double().log().sum() + math.log(BEFORE)
    return float(torch.sigmoid(odds))


def _names(task: Classification) -> tuple[dict[str, int], Tensor]:
    """Return a column for each name of the task's classes, and whose it is, ``(K, C)``."""
    owners: dict[str, int] = {}
    for number, names in enumerate(task.known_as):
        owners |= {plain: number for name in names if (plain := _plain(name))}
    owner = torch.zeros(len(owners), task.outputs)
    owner[torch.arange(len(owners)), torch.tensor(list(owners.values()), dtype=torch.long)] = 1.0
    return {name: column for column, name in enumerate(owners)}, owner


def _plain(name: str) -> str:
    """Return a name's letters and digits; nothing where there is no letter."""
    kept = "".join(sign for sign in name.casefold() if sign.isalnum())
    return kept if any(sign.isalpha() for sign in kept) else ""
