"""What a selector sees and what it decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from torch import Tensor

from fedsa.problem import Answers, Problem
from fedsa.task import Head


@dataclass(frozen=True)
class Evidence:
    """All that is known of the teachers when a selection is made.

    Parameters
    ----------
    problem : Problem
        The new task with its few labels.
    round : int
        The coming round, from 1.
    rounds : int
        Rounds of the whole run.
    teachers : tuple[str, ...]
        Ids of the teachers to choose from, sorted: those that have answered anything.
    closeness : Mapping[str, float]
        Mean cosine in [-1, 1] of the teacher's centred saliency maps and the student's, on the
        probe; a teacher that gave none is missing.
    answers : Answers
        What has been answered so far, of the labelled items and the response items: all of them
        by most teachers; by one with a small budget, or late, the labelled ones first.
    student : Tensor
        ``(n, C)`` the current student's answers on the transfer set.
    """

    problem: Problem
    round: int
    rounds: int
    teachers: tuple[str, ...]
    closeness: Mapping[str, float]
    answers: Answers
    student: Tensor

    def parts(self) -> list[tuple[Head, Evidence]]:
        """Return each head of the task with the evidence about it alone, in order."""
        return [
            (head, replace(self, problem=problem, student=self.student[:, head.columns]))
            for head, problem in self.problem.parts()
        ]


@dataclass(frozen=True)
class Selection:
    """A round's teachers.

    Parameters
    ----------
    weights : Mapping[str, float]
        Non-negative, summing to one; teachers left out are missing or zero.
    scores : Mapping[str, float]
        One number a teacher, higher is better, by which the choice was made (but for what is
        said by name, :mod:`fedsa.selection.complement`).
    evidence : Mapping[str, Mapping[str, float]]
        The layers behind the score (``{"saliency": .., "leep": ..}``), for the report.
    reasons : Mapping[str, str]
        One short clause a teacher, for the closing table.
    """

    weights: Mapping[str, float]
    scores: Mapping[str, float]
    evidence: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def selected(self) -> tuple[str, ...]:
        """Ids with a positive weight, sorted."""
        return tuple(sorted(name for name, weight in self.weights.items() if weight > 0))


class Selector(Protocol):
    """From evidence to this round's teachers and weights."""

    def select(self, evidence: Evidence) -> Selection:
        """Choose teachers for the coming round."""
