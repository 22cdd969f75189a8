"""Learning from unlabelled items without teachers: what one could do before asking anybody."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedsa.fusion.augment import augment, strongly
from fedsa.fusion.base import Fused, Stage, only_classes
from fedsa.fusion.beliefs import calibrate
from fedsa.fusion.consistency import SURE
from fedsa.fusion.scratch import Scratch
from fedsa.fusion.training import outputs, train
from fedsa.options import FusionOptions
from fedsa.problem import Answers, Problem
from fedsa.seeding import torch_generator

FIRST = 1.0 / 3.0
"""Share of the steps of the student that labels the transfer set for the second one."""


class SelfTraining:
    """A student of the labels labels the transfer set for another one (Xie et al., CVPR 2020).

    The labels are soft, calibrated to the class shares that the labelled items show, and learnt
    with augmentation, which the first student labelled without. Both together have the budget.
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
        """Train twice, no answers are used; see :class:`fedsa.fusion.base.Fusion`."""
        only_classes(problem, "self-training")
        task, inputs = problem.task, problem.inputs
        first = Scratch(self.options, FIRST).fit(problem, answers, weights, stage, {}).student
        items = torch.arange(len(inputs))
        targets = calibrate(outputs(first, inputs).softmax(dim=1), problem.shares, items)
        targets[problem.labelled] = task.truth(problem.labels).to(targets.dtype)
        generator = torch_generator(problem.seed, "self-training", "augment")

        def loss(module: nn.Module, batch: Tensor, step: int) -> Tensor:
            return task.loss(module(augment(inputs[batch], generator, task)), targets[batch])

        steps = problem.student.steps - round(FIRST * problem.student.steps)
        student, last = train(
            problem.build(task.outputs),
            loss,
            items,
            steps,
            problem.student,
            problem.seed,
            "self-training",
        )
        return Fused(student=student, facts={"loss": last})


class FixMatch:
    """Consistency under augmentation (Sohn et al., NeurIPS 2020).

    Each step learns from a batch of labelled items and one of the transfer set: where the student
    is sure of an item that was moved a little, it shall say the same of one that was changed
    much. A step costs about three of the others'.
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
        """Train on labels and consistency, no answers are used."""
        only_classes(problem, "FixMatch")
        task, inputs = problem.task, problem.inputs
        generator = torch_generator(problem.seed, "fixmatch", "augment")

        def loss(module: nn.Module, batch: Tensor, step: int) -> Tensor:
            known = torch.randperm(len(problem.labels), generator=generator)[: len(batch)]
            views = [
                augment(inputs[problem.labelled[known]], generator, task),
                augment(inputs[batch], generator, task),
                strongly(inputs[batch], generator, task),
            ]
            own, weak, strong = module(torch.cat(views)).split([len(view) for view in views])
            surest, said = weak.detach().softmax(dim=1).max(dim=1)
            same = F.cross_entropy(strong, said, reduction="none")
            agree = (same * (surest >= SURE)).mean()
            found: Tensor = task.loss(own, problem.labels[known]) + agree
            return found

        student, last = train(
            problem.build(task.outputs),
            loss,
            torch.arange(len(inputs)),
            problem.student.steps,
            problem.student,
            problem.seed,
            "fixmatch",
        )
        return Fused(student=student, facts={"loss": last})
