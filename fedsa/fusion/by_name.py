"""The mean answer under the task's own names of its classes, distilled."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from fedsa.fusion.base import Fused, Stage, only_classes
from fedsa.fusion.distil import distil
from fedsa.options import FusionOptions
from fedsa.problem import Answers, Problem
from fedsa.transferability.names import told_by_name


class ByName:
    """What teachers say under the names of the task's classes.

    As :mod:`fedsa.transferability.names` has it.

    Labels only tell whose names count, and the labelled items have them. Where nobody names a class
    the student learns these, and nothing of the other items.
    """

    one_shot = True
    """Each call spends the whole budget; see :class:`fedsa.fusion.base.Fusion`."""

    heeds_names = True

    def __init__(self, options: FusionOptions | None = None) -> None:
        self.options = options or FusionOptions()

    def fit(
        self,
        problem: Problem,
        answers: Answers,
        weights: Mapping[str, float],
        stage: Stage,
        state: Mapping[str, Tensor],
    ) -> Fused:
        """Take the mean, distil it; see :class:`fedsa.fusion.base.Fusion`."""
        only_classes(problem, "The fusion by name")
        told = told_by_name(problem, answers, weights)
        even = torch.full((len(problem.transfer), problem.task.outputs), 1 / problem.task.outputs)
        rows = even if told is None else told.rows
        asked = answers.covered(weights)
        return Fused(student=distil(problem, rows, asked, "by-name", stage.round))
