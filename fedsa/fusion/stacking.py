"""Stacking to a student: the rival to respect (Wolpert, 1992, then distillation)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from fedsa.fusion.base import Fused, Stage
from fedsa.fusion.distil import distil
from fedsa.fusion.heads import own_weights
from fedsa.fusion.stack import features, regress
from fedsa.fusion.values import regress_values
from fedsa.options import FusionOptions
from fedsa.problem import Answers, Problem


class Stacking:
    """A regression on all answers labels the transfer set; the student learns that.

    Well made: Hellinger features under one global scale, the whole of the transfer set, the
    whole budget, the labelled items under their true labels.
    """

    one_shot = True
    """Each call spends the whole budget; see :class:`fedsa.fusion.base.Fusion`."""

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
        """Fit the stack, distil it; see :class:`fedsa.fusion.base.Fusion`."""
        where, parts = problem.labelled, []
        for head, part in problem.parts():
            several, classes = head.label is not None, head.task.distributions
            own = own_weights(part, answers, weights) if several and classes else weights
            columns = features(answers, own)
            if classes:
                parts.append(regress(columns, where, part.labels, head.task.outputs))
            else:
                parts.append(regress_values(columns, where, part.labels))
        beliefs = torch.cat(parts, dim=1)
        asked = answers.covered(weights)
        return Fused(student=distil(problem, beliefs, asked, "stacking", stage.round))
