"""FedMD's consensus (Li and Wang, 2019) for teachers whose classes differ from the task's."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsa.fusion.base import Fused, Stage, only_classes
from fedsa.fusion.distil import distil
from fedsa.options import FusionOptions
from fedsa.problem import Answers, Problem

SMOOTHING = 0.1


class Consensus:
    """The mean of the teachers' answers, each carried over to the task's classes, distilled.

    FedMD averages the scores of models of one task. Here every teacher has its own classes, so
    that its answers are first mapped by ``P(y | z)`` counted on the labelled items (the map of
    LEEP, Nguyen et al., ICML 2020), then averaged by weight.
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
        """Form the consensus, distil it; see :class:`fedsa.fusion.base.Fusion`."""
        only_classes(problem, "FedMD's consensus")
        truth = F.one_hot(problem.labels, problem.task.outputs).to(torch.float32)
        total = torch.zeros(len(problem.transfer), problem.task.outputs)
        for name in answers:
            if weights.get(name, 0.0) > 0:
                rows = answers[name].nan_to_num(1.0 / answers[name].shape[1])
                joint = rows[problem.labelled].T @ truth + SMOOTHING / truth.shape[1]
                total += weights[name] * (rows @ (joint / joint.sum(dim=1, keepdim=True)))
        beliefs = total / total.sum(dim=1, keepdim=True)
        asked = answers.covered(weights)
        return Fused(student=distil(problem, beliefs, asked, "consensus", stage.round))
