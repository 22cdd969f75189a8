"""Whether what is told under the classes' names counts: labels must not speak against it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from fedsa.fusion.sight import beyond_chance, can_judge, likelihood
from fedsa.fusion.stack import left_out, regress, regressions
from fedsa.fusion.stack import told as without
from fedsa.problem import Answers, Problem
from fedsa.task import Classification
from fedsa.task.classification import plain
from fedsa.transferability.cross_validation import judges
from fedsa.transferability.names import Told, own_names, places

EITHER = 1.96
"""Standard errors by which one of two tests must speak against names: chance makes either do that
once in twenty times."""


def hold(told: Told, problem: Problem, columns: Tensor) -> bool:
    """Whether held-out labels do not speak against the names: are not told better without them.

    Beyond chance, in nats or in hits; labels that are too few to be held out do not speak.

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
    return not (beyond_chance(worse, EITHER) or beyond_chance(fewer, EITHER))


def strangers(problem: Problem, answers: Answers, weights: Mapping[str, float]) -> bool:
    """Whether the teachers, by weight most of them, tell names, and none is one of the task's.

    A task whose own classes have no names, or the same figures as a teacher's, has no strangers.
    """
    task = problem.task
    assert isinstance(task, Classification), "only classes have names"
    every, _ = own_names(task)
    total, tell = sum(weights.get(teacher, 0.0) for teacher in answers), 0.0
    for teacher, names in answers.names.items():
        weight = weights.get(teacher, 0.0)
        if weight > 0 and any(plain(name) for name in names):
            if bool(places(every, names).any()) or set(names) & set(task.classes):
                return False
            tell += weight
    return bool(every) and tell > total / 2


def _hits(logs: Tensor, labels: Tensor, held: Tensor) -> Tensor:
    """Return how often each label is told right when held out, ``(m,)``."""
    hits = (logs.argmax(dim=2) == labels) & held
    return hits.sum(dim=0) / held.sum(dim=0).clamp_min(1)
