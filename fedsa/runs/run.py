"""All that one run consists of, for who conducts it and who writes down what it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from fedsa.data.splits import Split
from fedsa.fusion.training import outputs
from fedsa.problem import Problem
from fedsa.runs.folder import RunFolder
from fedsa.scenario import Scenario
from fedsa.strategy import Amalgamation


@dataclass(frozen=True)
class Run:
    """A scenario, its data and folder, and the strategy at work."""

    scenario: Scenario
    split: Split
    folder: RunFolder
    problem: Problem
    strategy: Amalgamation
    test_inputs: torch.Tensor
    test_labels: torch.Tensor


def rounded(heads: Mapping[str, float]) -> dict[str, float]:
    """Return the heads' metrics as they are written down."""
    return {name: round(value, 6) for name, value in heads.items()}


def measure(
    problem: Problem, student: nn.Module, inputs: torch.Tensor, labels: torch.Tensor
) -> float:
    """Return a student's metric on test items, for the record only."""
    return round(problem.task.metric(outputs(student, inputs), labels), 6)
