"""A clock in the student's trunk: it notes when each training step begins, and nothing else."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

WARM = 5
"""Steps of each block that are not counted."""


@dataclass(frozen=True)
class Clock:
    """When training steps began; it stays the same one when a module that has it is copied."""

    began: list[float]

    def __init__(self) -> None:
        object.__setattr__(self, "began", [])

    def __deepcopy__(self, memo: Mapping[int, Any]) -> Clock:
        return self

    def step(self, steps: int) -> float:
        """Return the median seconds of a step, from its beginning to the next one's."""
        each = max(1, len(self.began) // steps)  # a step may go through the trunk more than once
        begun = self.began[::each]
        gaps = [after - before for before, after in pairwise(begun)]
        return statistics.median(gaps[min(WARM, len(gaps) - 1) :])


class Clocked(nn.Module):
    """A trunk that tells the clock of each forward pass with gradients."""

    def __init__(self, trunk: nn.Module, clock: Clock) -> None:
        super().__init__()
        self.trunk, self.clock = trunk, clock

    def forward(self, inputs: Tensor) -> Tensor:
        """Return what the trunk returns."""
        if self.training and torch.is_grad_enabled():
            self.clock.began.append(time.perf_counter())
        found: Tensor = self.trunk(inputs)
        return found
