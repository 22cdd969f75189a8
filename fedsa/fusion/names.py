"""What teachers call their classes, where they tell, and what they answer under the task's names.

The mean of the answers under a class's own name, over the teachers that have it, tells most items
right without any label: who has not learnt an item's class spreads over others, each of which most
of those who know it deny. Names may mislead, by chance or on purpose. So a teacher's names count as
far as its answers to labelled items of the classes that it names bear them out, and all of them
only where held-out labels are not told better without.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fedsa.fusion.sight import beyond_chance, can_judge, likelihood
from fedsa.fusion.stack import left_out, regress, regressions
from fedsa.fusion.stack import told as without
from fedsa.problem import Answers, Problem
from fedsa.task import Classification
from fedsa.task.classification import plain
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
    """``(n, C)`` float32 on the simplex; an even share where nobody who has the name answered."""
    known: Tensor
    """``(C,)`` bool: which classes somebody names."""

    @property
    def whole(self) -> bool:
        """Whether every class is named."""
        return bool(self.known.all())

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
    known = (weight @ owner) > 0  # by item: who was not asked about it does not deny it
    count, total = known.sum(dim=1, keepdim=True), either.sum(dim=1, keepdim=True)
    shares = torch.where(total > 0, either / total.clamp_min(1e-12), 1.0 / count.clamp_min(1))
    even = 1.0 / task.outputs
    return Told(torch.where(known, shares * count * even, even), known.any(dim=0))


def hold(told: Told, problem: Problem, columns: Tensor) -> bool:
    """Whether held-out labels do not speak against the names: are not told better without them.

    Beyond chance, as for sight (:func:`fedsa.fusion.sight.tells_more`); labels that are too few to
    be held out do not speak.

    Parameters
    ----------
    told : Told
        What is said under the names.
    problem : Problem
        With its labels.
    columns : Tensor
        ``(n, F)`` the stack's features, which tell without names.
    """
    some = judges(len(problem.labels), problem.seed, "fusion")
    where, labels = problem.labelled[some], problem.labels[some]
    several = torch.bincount(labels)[labels] > 1
    where, labels = where[several], labels[several]
    kinds = torch.unique(labels)
    if not can_judge(len(kinds), problem.task.outputs, len(labels)):
        return True
    rows, logs, held = columns[where], told.logs[where], left_out(labels, problem.seed)

    def beside(kept: Tensor) -> Tensor:
        index = kept.nonzero()[:, 0]
        return regress(rows, index, labels[index], problem.task.outputs, logs, lean=told.whole)

    every = torch.arange(len(labels))
    known = torch.stack([beside(~out) for out in held]).clamp_min(1e-6).log()
    alone = without(rows, regressions(rows, every, labels, int(labels.max()) + 1, ~held))
    # Who has seen the labels knows which classes have none to judge by; that is no merit.
    known, alone = (logs[:, :, kinds].log_softmax(dim=2) for logs in (known, alone))
    labels = torch.searchsorted(kinds, labels)
    # Each at its best temperature, at which names that say nothing look careful: so hits count too.
    worse = likelihood(alone, labels, held) - likelihood(known, labels, held)
    fewer = _hits(alone, labels, held) - _hits(known, labels, held)
    return not (beyond_chance(worse) or beyond_chance(fewer))


def strangers(problem: Problem, answers: Answers, weights: Mapping[str, float]) -> bool:
    """Whether the teachers, by weight most of them, tell names, and none is one of the task's.

    A task whose own classes have no names, or the same figures as a teacher's, has no strangers.
    """
    task = problem.task
    assert isinstance(task, Classification), "only classes have names"
    every, _ = _names(task)
    total, tell = sum(weights.get(teacher, 0.0) for teacher in answers), 0.0
    for teacher, names in answers.names.items():
        weight = weights.get(teacher, 0.0)
        if weight > 0 and any(plain(name) for name in names):
            if bool(places(every, names).any()) or set(names) & set(task.classes):
                return False
            tell += weight
    return bool(every) and tell > total / 2


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
        if (column := every.get(plain(name))) is not None:
            found[row, column] = 1.0
    return found


def borne_out(problem: Problem, answers: Tensor, place: Tensor) -> float:
    """Return the probability that a teacher's names mean what they say.

    On a labelled item of a class that the teacher names it gives the name ``p``, at chance ``c``:
    the share of its classes that have it. The odds are those before any label times
    ``(1 - ASTRAY) p / c + ASTRAY`` of each.

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


def _hits(logs: Tensor, labels: Tensor, held: Tensor) -> Tensor:
    """Return how often each label is told right when held out, ``(m,)``."""
    hits = (logs.argmax(dim=2) == labels) & held
    return hits.sum(dim=0) / held.sum(dim=0).clamp_min(1)


def _names(task: Classification) -> tuple[dict[str, int], Tensor]:
    """Return a column for each name of the task's classes, and whose it is, ``(K, C)``.

    A class's own name is its own, whoever else is called so; a name that two classes claim alike
    says nothing.
    """
    own, others = defaultdict[str, set[int]](set), defaultdict[str, set[int]](set)
    for number, name in enumerate(task.classes):
        own[plain(name)].add(number)
    for number, more in enumerate(task.also):
        for name in more:
            others[plain(name)].add(number)
    claimed = {**others, **own}
    owners = {name: min(who) for name, who in claimed.items() if name and len(who) == 1}
    owner = torch.zeros(len(owners), task.outputs)
    owner[torch.arange(len(owners)), torch.tensor(list(owners.values()), dtype=torch.long)] = 1.0
    return {name: column for column, name in enumerate(owners)}, owner
