"""No teachers: the student learns from the labelled items alone; the floor of every table."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fedsa.fusion.augment import augment
from fedsa.fusion.base import Fused, Stage
from fedsa.fusion.training import train
from fedsa.options import FusionOptions
from fedsa.problem import Answers, Problem
from fedsa.seeding import torch_generator


class Scratch:
    """Cross-entropy on the labelled items, augmented; no answers are used.

    Parameters
    ----------
    options : FusionOptions | None
        Not used; every fusion is made with them.
    share : float
        Share of the budget's steps; a first look, by which teachers are only compared, is
        content with less.
    """

    def __init__(self, options: FusionOptions | None = None, share: float = 1.0) -> None:
        self.options = options or FusionOptions()
        self.share = share

    def fit(
        self,
        problem: Problem,
        answers: Answers,
        weights: Mapping[str, float],
        stage: Stage,
        state: Mapping[str, Tensor],
    ) -> Fused:
        """Train on the labels; see :class:`fedsa.fusion.base.Fusion`."""
        generator = torch_generator(problem.seed, "scratch", "augment")
        inputs = problem.inputs[problem.labelled]

        def loss(module: nn.Module, batch: Tensor, step: int) -> Tensor:
            raw = module(augment(inputs[batch], generator, problem.task))
            return problem.task.loss(raw, problem.labels[batch])

        student, last = train(
            problem.build(problem.task.outputs),
            loss,
            torch.arange(len(inputs)),
            round(self.share * problem.student.steps),
            problem.student,
            problem.seed,
            "scratch",
        )
        return Fused(student=student, facts={"loss": last})
