"""What teachers call their classes, where they tell, and what they answer under the task's names.

The mean of the answers under a class's own name, over the teachers that have it, tells most items
right without any label: who has not learnt an item's class spreads over others, each of which most
of those who know it deny. Names may mislead, by chance or on purpose. So a teacher's names count as
far as its answers to labelled items of the classes that it names bear them out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fedsa.problem import Answers, Problem
from fedsa.task import Classification
from fedsa.task.classification import plain

ASTRAY = 0.1
"""Part of the answers to items of a named class that are as at chance, whoever names it."""
BEFORE = 4.0
"""Odds, before any label, that a teacher means by a name what the task means by it."""
FLOOR = 0.1
"""What is told of a class is at least this part of an even share."""
POWER = 2.0
"""Power of what is told by name, as it is expected: what a mean of several answers says is surer
than the mean is."""


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


class Named:
    """The teachers whose names count, and what they say under them.

    Left out are those without a name of the task, and those whose names are likelier to mislead
    than to mean what they say (:func:`borne_out`). Made of what :func:`told_by_name` is given, for
    whoever asks by several weights.
    """

    def __init__(self, problem: Problem, answers: Answers) -> None:
        assert isinstance(problem.task, Classification), "only classes have names"
        every, self._owner = own_names(problem.task)
        self._answers, self._even = answers, 1.0 / problem.task.outputs
        self._teachers: dict[str, tuple[Tensor, float]] = {}
        for teacher, names in answers.names.items():
            place = places(every, names)
            if not bool(place.any()):
                continue
            sure = borne_out(problem, answers[teacher], place @ self._owner)
            if sure > 0.5:
                self._teachers[teacher] = place, sure

    @property
    def teachers(self) -> tuple[str, ...]:
        """Their ids, in sorted order."""
        return tuple(self._teachers)

    def sure(self, teacher: str) -> float:
        """Return the probability that one of :attr:`teachers` means by its names what they say."""
        return self._teachers[teacher][1]

    def told(self, weights: Mapping[str, float]) -> Told | None:
        """Return what those with a positive weight say, each by its weight; None if nobody has."""
        mass = weight = None
        for teacher, (place, sure) in self._teachers.items():
            counts = weights.get(teacher, 0.0) * sure
            if counts <= 0:
                continue
            said = counts * self._answers[teacher].nan_to_num(0.0) @ place
            asked = counts * self._answers.asked(teacher)[:, None] * place.amax(dim=0)
            mass = said if mass is None else mass + said
            weight = asked if weight is None else weight + asked
        if mass is None or weight is None or not bool(weight.any()):
            return None
        mean = torch.where(weight > 0, mass / weight.clamp_min(1e-12), 0.0).clamp(0.0, 1.0)
        # Names of one class may mean the same, or parts of it: either, as if independent.
        either = 1.0 - torch.exp((1.0 - mean).clamp_min(1e-6).log() @ self._owner)
        known = (weight @ self._owner) > 0  # by item: who was not asked about it does not deny it
        count, total = known.sum(dim=1, keepdim=True), either.sum(dim=1, keepdim=True)
        shares = torch.where(total > 0, either / total.clamp_min(1e-12), 1.0 / count.clamp_min(1))
        even = self._even
        return Told(torch.where(known, shares * count * even, even), known.any(dim=0))


def told_by_name(problem: Problem, answers: Answers, weights: Mapping[str, float]) -> Told | None:
    """Return what the answers say under the names of the task's own classes, if there are any.

    Parameters
    ----------
    problem : Problem
        A classification and its labels.
    answers : Answers
        The teachers' answers, with the names that they tell.
    weights : Mapping[str, float]
        The selection's weights; teachers without a positive one are left out.
    """
    chosen = [name for name in answers if weights.get(name, 0.0) > 0]
    return Named(problem, answers.of(chosen)).told(weights)


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


def own_names(task: Classification) -> tuple[dict[str, int], Tensor]:
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
