"""Numbers in [0, 1], each of its own: labels that do not exclude each other, quantities, masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsa.task.base import Head

UNIFORM = 1.0 / 12.0
"""Variance of a quantity that is spread evenly over [0, 1]."""


@dataclass(frozen=True)
class _Values:
    """What they share: answers are the sigmoid of raw outputs, labels have the form of answers."""

    names: tuple[str, ...]
    invariant: bool = False
    distributions: bool = False

    @property
    def outputs(self) -> int:
        """Number of values."""
        return len(self.names)

    @property
    def width(self) -> int:
        """Number of values."""
        return self.outputs

    def answer(self, raw: Tensor) -> Tensor:
        """Sigmoid of raw outputs, ``(n, outputs)`` in [0, 1]."""
        return raw.sigmoid()

    def raw(self, answers: Tensor, floor: float = 1e-8) -> Tensor:
        """Log-odds of values, ``(n, outputs)``."""
        return answers.clamp_min(floor).log() - (1.0 - answers).clamp_min(floor).log()

    def truth(self, labels: Tensor) -> Tensor:
        """Labels are answers already."""
        return labels.float()


@dataclass(frozen=True)
class MultiLabel(_Values):
    """Labels of which any number may hold at once; answers are their probabilities."""

    kind: ClassVar[str] = "multi-label"

    @property
    def heads(self) -> tuple[Head, ...]:
        """Itself."""
        return (Head("", self),)

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy in nats, the mean over labels."""
        return F.binary_cross_entropy_with_logits(raw, target)

    def metric(self, raw: Tensor, target: Tensor) -> float:
        """Share of labels told right at even odds (one minus the Hamming loss)."""
        return float(((raw > 0) == (target > 0.5)).double().mean())


@dataclass(frozen=True)
class Regression(_Values):
    """Quantities scaled to [0, 1]."""

    kind: ClassVar[str] = "regression"

    @property
    def heads(self) -> tuple[Head, ...]:
        """Itself."""
        return (Head("", self),)

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Squared error, the mean over quantities, in units of an even spread's variance.

        So an answer that does not look at the item costs about one, as it does in nats for the
        few classes of a classification.
        """
        return (raw.sigmoid() - target).square().mean() / UNIFORM

    def metric(self, raw: Tensor, target: Tensor) -> float:
        """Share of the variance explained, max(0, R^2), the mean over quantities."""
        found, wanted = raw.sigmoid().double(), target.double()
        error = (found - wanted).square().sum(dim=0)
        total = (wanted - wanted.mean(dim=0)).square().sum(dim=0).clamp_min(1e-12)
        return float((1.0 - error / total).clamp_min(0.0).mean())


@dataclass(frozen=True)
class Segmentation(_Values):
    """A mask of ``height x width`` cells, row by row; answers are each cell's probability.

    Parameters
    ----------
    names : tuple[str, ...]
        One a cell; :meth:`of` makes them.
    """

    kind: ClassVar[str] = "segmentation"

    @classmethod
    def of(cls, height: int, width: int) -> Segmentation:
        """Return the task of a grid's mask."""
        return cls(tuple(f"{row},{column}" for row in range(height) for column in range(width)))

    @property
    def heads(self) -> tuple[Head, ...]:
        """Itself."""
        return (Head("", self),)

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy in nats, the mean over cells."""
        return F.binary_cross_entropy_with_logits(raw, target)

    def metric(self, raw: Tensor, target: Tensor) -> float:
        """Intersection over union at even odds, the mean over items; 1 where both are empty."""
        found, wanted = raw > 0, target > 0.5
        shared = (found & wanted).sum(dim=1).double()
        union = (found | wanted).sum(dim=1).double()
        return float(torch.where(union > 0, shared / union.clamp_min(1.0), 1.0).mean())
