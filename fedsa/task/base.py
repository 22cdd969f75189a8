"""What every kind of prediction has in common, and the heads that a task is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Task(Protocol):
    """A kind of prediction; the type is open.

    There are two kinds of answers: *distributions* over classes (rows on the simplex) and
    *values* (each column a number in [0, 1] of its own). Labels are class indices ``(m,)`` or
    columns of numbers ``(m, width)``.
    """

    @property
    def kind(self) -> str:
        """Name of the kind, as scenarios and cards spell it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs."""

    @property
    def outputs(self) -> int:
        """Width of a model's raw output, and of an answer, for this task."""

    @property
    def width(self) -> int:
        """Columns of a label where it stands among the labels of several heads."""

    @property
    def invariant(self) -> bool:
        """Whether a label stays true when an image is shifted a little or mirrored."""

    @property
    def distributions(self) -> bool:
        """Whether answers are distributions; else they are values, or a mixture of both."""

    @property
    def heads(self) -> tuple[Head, ...]:
        """The parts that are predicted; a task of one kind is its own only head."""

    def answer(self, raw: Tensor) -> Tensor:
        """Turn raw outputs ``(n, outputs)`` into the answer that a teacher gives."""

    def raw(self, answers: Tensor, floor: float = 1e-8) -> Tensor:
        """Return raw outputs with these answers, none nearer to 0 (or to 1) than ``floor``."""

    def truth(self, labels: Tensor) -> Tensor:
        """Return labels in the form of answers, ``(m, outputs)`` float32."""

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss of raw outputs on labels, or on answers in their place."""

    def metric(self, raw: Tensor, target: Tensor) -> float:
        """Return the task's headline metric, a fraction in [0, 1], higher is better."""


@dataclass(frozen=True)
class Head:
    """One part of a task, and where it stands among the others.

    Parameters
    ----------
    name : str
        What scenarios and reports call it; empty for a task that is its own only head.
    task : Task
        What is predicted.
    first, label : int | None
        Its first column among the outputs and among the labels; ``label`` is None where the
        labels are this head's alone.
    """

    name: str
    task: Task
    first: int = 0
    label: int | None = None

    @property
    def columns(self) -> slice:
        """Its columns among outputs and answers."""
        return slice(self.first, self.first + self.task.outputs)

    def labels(self, labels: Tensor) -> Tensor:
        """Return this head's own labels, ``(m,)`` class indices or ``(m, width)`` numbers."""
        if self.label is None:
            return labels
        own = labels[:, self.label : self.label + self.task.width]
        return own[:, 0].long() if self.task.distributions else own
