"""B+ of Hoang et al. (ICML 2020, section 4): the sum of the experts' answers, distilled."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsa.fusion.base import Fused, Stage, only_classes
from fedsa.fusion.distil import distil
from fedsa.options import FusionOptions
from fedsa.problem import Answers, Problem


class BPlus:
    """Every teacher votes with its probabilities for the task's classes that its own stand for.

    Where the paper knows which class is which, a black box's classes must be matched: each
    stands for the task's class that it answers most on the labelled items. Votes are summed
    over teachers and renormalised.
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
        """Sum the votes, distil them; see :class:`fedsa.fusion.base.Fusion`."""
        only_classes(problem, "B+")
        classes = problem.task.outputs
        truth = F.one_hot(problem.labels, classes).to(torch.float32)
        votes = torch.full((len(problem.transfer), classes), 1e-6)
        for name in answers:
            if weights.get(name, 0.0) > 0:
                rows = answers[name].nan_to_num(0.0)
                joint = rows[problem.labelled].T @ truth
                heard = joint.amax(dim=1) > 0  # what was never answered stands for nothing
                stands_for = joint[heard].argmax(dim=1)
                votes.index_add_(1, stands_for, weights[name] * rows[:, heard])
        beliefs = votes / votes.sum(dim=1, keepdim=True)
        asked = answers.covered(weights)
        return Fused(student=distil(problem, beliefs, asked, "b-plus", stage.round))
