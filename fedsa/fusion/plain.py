"""The beliefs of the prototype fusion, distilled plainly: what it would be without prototypes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fedsa.fusion.base import Fused, Stage
from fedsa.fusion.consistency import Consistency
from fedsa.fusion.hearing import hear
from fedsa.fusion.training import train
from fedsa.options import FusionOptions
from fedsa.problem import Answers, Problem


class PlainBeliefs:
    """The student learns what is believed of the items, and nothing else.

    Beliefs, witness and changed views are those of
    :class:`fedsa.fusion.prototypes.PrototypeFusion`; so the difference between the two is what
    prototypes and the teachers' own answers give in training.
    """

    one_shot = True
    """Each call spends the whole budget; see :class:`fedsa.fusion.base.Fusion`."""

    def __init__(self, options: FusionOptions | None = None) -> None:
        self.options = options or FusionOptions()
        self.heeds_names = self.options.names

    def fit(
        self,
        problem: Problem,
        answers: Answers,
        weights: Mapping[str, float],
        stage: Stage,
        state: Mapping[str, Tensor],
    ) -> Fused:
        """Find the beliefs, distil them; see :class:`fedsa.fusion.base.Fusion`."""
        believed, _, notes = hear(problem, answers, weights, self.options)
        about = believed.rows
        views = Consistency(problem, about, stage.round) if believed.looked else None

        def loss(module: nn.Module, batch: Tensor, step: int) -> Tensor:
            if views is not None:
                return views(module, nn.Identity(), batch)[1]
            return problem.task.loss(module(problem.inputs[batch]), about[batch])

        items = torch.unique(torch.cat([answers.covered(weights), problem.labelled]))
        student, steps = problem.build(problem.task.outputs), problem.student.steps
        found, last = train(
            student, loss, items, steps, problem.student, problem.seed, "beliefs", stage.round
        )
        return Fused(student=found, facts={"loss": last}, notes=notes)
