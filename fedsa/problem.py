"""The student's side of a run: the new task, its few labels, and the teachers' answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from fedsa.data.transfer import TransferSet, to_float
from fedsa.options import StudentOptions
from fedsa.task import Head, Several, Task

CAUTION = 10.0
"""Labels of each class that are added to those that were given, where class shares are counted."""


@dataclass(frozen=True)
class Problem:
    """Somebody's new task. The test set is not part of it, so nothing can be chosen on it.

    Parameters
    ----------
    task : Task
        What is predicted.
    transfer : TransferSet
        The transfer set of n items, the labelled ones among them.
    labelled : Tensor
        ``(m,)`` indices of the labelled items in the transfer set.
    labels : Tensor
        ``(m,)`` their classes, or ``(m, width)`` float32 as the task has them.
    probe : Tensor
        ``(p,)`` indices of the items on which looks are compared.
    build : Callable[[int], nn.Module]
        Makes a fresh student trunk with that many outputs (under the caller's seed).
    student : StudentOptions
        Budget and optimiser settings, the same for every method.
    seed : int
        Root of every random draw.
    masses : Tensor | None
        ``(m,)`` sum to one: the share of the transfer set that each labelled item stands for, where
        the items were chosen. None where they were drawn at random: then all stand for as much.
    """

    task: Task
    transfer: TransferSet
    labelled: Tensor
    labels: Tensor
    probe: Tensor
    build: Callable[[int], nn.Module]
    student: StudentOptions
    seed: int = 0
    masses: Tensor | None = None

    @property
    def shares(self) -> Tensor:
        """The class shares of the transfer set as the labels show them: ``(C,)``, sum to one.

        Of a classification only; several heads are problems each (:meth:`parts`).

        Labels drawn at random count alike; an item that was chosen counts for what it stands for,
        else rare kinds of items, which a good choice covers, would seem frequent. ``CAUTION``
        labels of each class are added: thirty labels of ten classes miss a share by more than
        even shares do, as a rule.
        """
        classes, labels = self.task.outputs, len(self.labels)
        weights = torch.ones(labels) if self.masses is None else labels * self.masses.float()
        counts = torch.zeros(classes).index_add_(0, self.labels, weights)
        return (counts + CAUTION) / (labels + CAUTION * classes)

    def parts(self) -> list[tuple[Head, Problem]]:
        """Return each head of the task with the problem of it alone, in order."""
        heads = self.task.heads
        if len(heads) == 1 and heads[0].label is None:
            return [(heads[0], self)]
        return [
            (head, replace(self, task=head.task, labels=head.labels(self.labels))) for head in heads
        ]

    def knowing(self, some: Tensor) -> Problem:
        """Return the problem with only those of its labels that ``some``, ``(m,)`` bool, says."""
        masses = None if self.masses is None else self.masses[some]
        found = replace(
            self,
            labelled=self.labelled[some],
            labels=self.labels[some],
            masses=None if masses is None else masses / masses.sum(),
        )
        found.__dict__["inputs"] = self.inputs  # the same, and large
        return found

    def alone(self) -> list[Problem]:
        """Return a problem of several heads for each of them, as one would pose it by itself."""
        task = self.task
        assert isinstance(task, Several), "one head has no others"
        return [
            replace(
                self,
                task=task.only(head.name),
                labels=self.labels[:, head.label : head.label + head.task.width],
            )
            for head in task.heads
            if head.label is not None
        ]

    @cached_property
    def inputs(self) -> Tensor:
        """The transfer set as networks take it: ``(n, *shape)`` float32, images in [0, 1]."""
        return to_float(self.transfer.array)

    @property
    def digest(self) -> str:
        """What the answers of a run are about: a hash of the transfer set and the labels."""
        found = hashlib.sha256(self.transfer.hash.encode())
        found.update(self.labelled.numpy().tobytes() + self.labels.numpy().tobytes())
        return found.hexdigest()


class Answers(Mapping[str, Tensor]):
    """What each teacher answered on the transfer set so far.

    Maps a teacher's id to ``(n, C_i)`` float32 rows on the simplex, or of values in [0, 1]; items
    not asked (or not answered) are rows of NaN. Iteration is in sorted order of ids, so that every
    reduction over teachers adds in the same order.

    Parameters
    ----------
    answers : Mapping[str, Tensor]
        By teacher.
    graded : Collection[str]
        The teachers whose answers are values, each column of its own, in place of distributions.
    names : Mapping[str, Sequence[str]] | None
        What those teachers call their classes that tell it, in the order of the columns.
    """

    def __init__(
        self,
        answers: Mapping[str, Tensor],
        graded: Collection[str] = (),
        names: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._answers = {name: answers[name] for name in sorted(answers)}
        self.graded = frozenset(graded) & set(self._answers)
        told = names or {}
        self.names = {
            name: tuple(told[name])
            for name in self._answers
            if name in told and name not in self.graded
        }

    def __getitem__(self, teacher: str) -> Tensor:
        return self._answers[teacher]

    def __iter__(self) -> Iterator[str]:
        return iter(self._answers)

    def __len__(self) -> int:
        return len(self._answers)

    def asked(self, teacher: str) -> Tensor:
        """Return a ``(n,)`` mask of the items that ``teacher`` answered."""
        return ~torch.isnan(self._answers[teacher][:, 0])

    def among(self, marks: Mapping[str, Tensor]) -> Answers:
        """Return the answers on marked items only.

        Parameters
        ----------
        marks : Mapping[str, Tensor]
            ``(n,)`` per teacher, non-zero where an answer counts; teachers without marks, or
            without a marked answer, are left out.
        """
        kept = {}
        for name, answers in self._answers.items():
            if name in marks:
                rows = answers.masked_fill((marks[name] == 0)[:, None], torch.nan)
                if not bool(torch.isnan(rows[:, 0]).all()):
                    kept[name] = rows
        return Answers(kept, self.graded, self.names)

    def of(self, teachers: Collection[str]) -> Answers:
        """Return the answers of some of the teachers."""
        kept = {name: answers for name, answers in self._answers.items() if name in teachers}
        return Answers(kept, self.graded, self.names)

    def nameless(self) -> Answers:
        """Return the answers without what the teachers call their classes."""
        return Answers(self._answers, self.graded)

    def covered(self, weights: Mapping[str, float]) -> Tensor:
        """Return the ``(k,)`` indices of items that a teacher with positive weight answered."""
        marks = [self.asked(name) for name in self if weights.get(name, 0.0) > 0]
        return torch.stack(marks).any(dim=0).nonzero().squeeze(1)
