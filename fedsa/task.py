"""What is predicted, with its loss and its metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F


@runtime_checkable
class Task(Protocol):
    """A kind of prediction; the type is open (multi-label, regression, segmentation to come)."""

    @property
    def kind(self) -> str:
        """Name of the kind, as scenarios and cards spell it."""

    @property
    def outputs(self) -> int:
        """Width of a model's raw output for this task."""

    def answer(self, raw: Tensor) -> Tensor:
        """Turn raw outputs ``(n, outputs)`` into the answer that a teacher gives."""

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss (nats for classification) of raw outputs on true targets."""

    def metric(self, raw: Tensor, target: Tensor) -> float:
        """Return the task's headline metric, a fraction in [0, 1], higher is better."""


@dataclass(frozen=True)
class Classification:
    """One of ``classes``; answers are distributions over them, the metric is accuracy."""

    classes: tuple[str, ...]
    kind: str = "classification"

    @property
    def outputs(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def answer(self, raw: Tensor) -> Tensor:
        """Softmax of the logits, ``(n, classes)``, rows on the simplex."""
        return raw.softmax(dim=1)

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy in nats; ``target`` is class indices or rows on the simplex."""
        return F.cross_entropy(raw, target)

    def metric(self, raw: Tensor, target: Tensor) -> float:
        """Accuracy, a fraction in [0, 1]."""
        return float((raw.argmax(dim=1) == target).to(torch.float64).mean())
