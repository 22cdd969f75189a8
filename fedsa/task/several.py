"""Several tasks at once: their outputs, answers and labels side by side."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor

from fedsa.task.base import Head, Task

LEAST = 1e-3
"""What it costs not to look, in a head's own loss, from which on labels are not all alike."""


class Several:
    """Named heads on one trunk.

    Labels are one float32 table ``(m, sum of the heads' widths)``, a class as its index, so that
    a problem of several heads has one tensor of labels and one raw output as any other.

    Parameters
    ----------
    tasks : Mapping[str, Task]
        The heads, in order; none of them itself of several.
    units : Mapping[str, float] | None
        By head, what its loss is measured in; see :meth:`measured`. By default one each.
    """

    kind = "several"
    distributions = False

    def __init__(self, tasks: Mapping[str, Task], units: Mapping[str, float] | None = None) -> None:
        self.tasks, self.units = dict(tasks), dict(units or {})

    def measured(self, labels: Tensor) -> Several:
        """Return the same heads, each with its loss in units of what it costs not to look.

        That is the loss of the labels' mean answer. Else a mask, of which most cells are empty,
        would count for a fifth of what a class does, and be learnt late. A head whose labels are
        all alike has no such measure: its unit is one.

        Parameters
        ----------
        labels : Tensor
            ``(m, width)`` the labels that are known.
        """
        units = {}
        for head in self.heads:
            own = head.labels(labels)
            blind = head.task.truth(own).mean(dim=0, keepdim=True).expand(len(own), -1)
            cost = float(head.task.loss(head.task.raw(blind), own))
            units[head.name] = cost if cost > LEAST else 1.0
        return Several(self.tasks, units)

    def only(self, name: str) -> Several:
        """Return the task of one head, in its unit."""
        return Several({name: self.tasks[name]}, self.units)

    @cached_property
    def heads(self) -> tuple[Head, ...]:
        """The heads with their columns."""
        found, first, label = [], 0, 0
        for name, task in self.tasks.items():
            found.append(Head(name, task, first, label))
            first, label = first + task.outputs, label + task.width
        return tuple(found)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs, each behind its head's."""
        return tuple(f"{h.name}: {name}" for h in self.heads for name in h.task.names)

    @property
    def outputs(self) -> int:
        """Columns of all heads."""
        return sum(task.outputs for task in self.tasks.values())

    @property
    def width(self) -> int:
        """Columns of a label."""
        return sum(task.width for task in self.tasks.values())

    @property
    def invariant(self) -> bool:
        """Whether every head's labels stay true when an image is shifted or mirrored."""
        return all(task.invariant for task in self.tasks.values())

    def answer(self, raw: Tensor) -> Tensor:
        """Each head's answer, side by side."""
        return torch.cat([head.task.answer(raw[:, head.columns]) for head in self.heads], dim=1)

    def raw(self, answers: Tensor, floor: float = 1e-8) -> Tensor:
        """Each head's raw outputs, side by side."""
        parts = [head.task.raw(answers[:, head.columns], floor) for head in self.heads]
        return torch.cat(parts, dim=1)

    def truth(self, labels: Tensor) -> Tensor:
        """Each head's labels in the form of answers, side by side."""
        return torch.cat([head.task.truth(head.labels(labels)) for head in self.heads], dim=1)

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Return the sum of the heads' losses; ``target`` is labels, or answers of all heads."""
        answers = target if target.shape[1] == self.outputs else self.truth(target)
        losses = [
            head.task.loss(raw[:, head.columns], answers[:, head.columns])
            / self.units.get(head.name, 1.0)
            for head in self.heads
        ]
        return torch.stack(losses).sum()

    def metric(self, raw: Tensor, target: Tensor) -> float:
        """Return the mean of the heads' metrics."""
        found = self.metrics(raw, target)
        return sum(found.values()) / len(found)

    def metrics(self, raw: Tensor, target: Tensor) -> dict[str, float]:
        """Return each head's own metric; ``target`` is labels."""
        return {
            head.name: head.task.metric(raw[:, head.columns], head.labels(target))
            for head in self.heads
        }
