"""Multi-head knowledge distillation, then fine-tuning: the usual way with several teachers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fedsa.fusion.augment import augment
from fedsa.fusion.base import Fused, Stage
from fedsa.fusion.training import outputs, train
from fedsa.fusion.values import filled, units
from fedsa.options import FusionOptions
from fedsa.problem import Answers, Problem
from fedsa.seeding import derive, torch_generator

HEAD_STEPS = 100
FINE_TUNE_RATE = 0.05
FINE_TUNE_SHARE = 0.25


class MultiHead:
    """One linear head a teacher on a shared trunk; the task's head is then fitted on the labels.

    The head is fitted on the frozen trunk first, then all is fine-tuned with a small rate: with
    few labels, fine-tuning at the full rate forgets what was distilled.
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
        """Distil into the heads, then fine-tune; see :class:`fedsa.fusion.base.Fusion`."""
        trunk = self._distilled(problem, answers, weights)
        head = self._head(problem, trunk)
        student, last = self._tuned(problem, nn.Sequential(trunk, head))
        return Fused(student=student, facts={"loss": last})

    def _distilled(
        self, problem: Problem, answers: Answers, weights: Mapping[str, float]
    ) -> nn.Module:
        names = [name for name in answers if weights.get(name, 0.0) > 0]
        widths = [answers[name].shape[1] for name in names]
        graded = [name in answers.graded for name in names]
        joined = torch.cat([filled(answers, name) for name in names], dim=1)
        share = torch.cat(
            [torch.full((width,), weights[n]) for n, width in zip(names, widths, strict=True)]
        )
        repeats = torch.tensor(widths)
        scale = units(answers, names).repeat_interleave(repeats)
        value = torch.tensor(graded).repeat_interleave(repeats)
        width = problem.student.embedding
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(problem.seed, "multi-head", "start"))
            trunk = nn.Sequential(problem.build(width), nn.BatchNorm1d(width))
            heads = nn.Linear(width, sum(widths))

        def loss(module: nn.Module, batch: Tensor, step: int) -> Tensor:
            found, told = module(problem.inputs[batch]), joined[batch]
            raw = found.split(widths, dim=1)
            logs = torch.cat([part.log_softmax(dim=1) for part in raw], dim=1)
            if not any(graded):
                return -(told * share * logs).sum() / len(batch)
            error = (found.sigmoid() - told).square() * (told >= 0) / scale
            return (torch.where(value, error, -told * logs) * share).sum() / len(batch)

        steps = round((1 - FINE_TUNE_SHARE) * problem.student.steps)
        trained, _ = train(
            nn.Sequential(trunk, heads),
            loss,
            answers.covered(weights),
            steps,
            problem.student,
            problem.seed,
            "multi-head",
        )
        assert isinstance(trained, nn.Sequential)
        return trained[0]

    def _head(self, problem: Problem, trunk: nn.Module) -> nn.Module:
        embedding = outputs(trunk, problem.inputs[problem.labelled])

        def loss(module: nn.Module, batch: Tensor, step: int) -> Tensor:
            return problem.task.loss(module(embedding[batch]), problem.labels[batch])

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(problem.seed, "multi-head", "head"))
            head = nn.Linear(embedding.shape[1], problem.task.outputs)
        everything = torch.arange(len(embedding))
        return train(
            head, loss, everything, HEAD_STEPS, problem.student, problem.seed, "head", rate=3.0
        )[0]

    def _tuned(self, problem: Problem, student: nn.Module) -> tuple[nn.Module, float]:
        generator = torch_generator(problem.seed, "multi-head", "augment")
        inputs = problem.inputs[problem.labelled]

        def loss(module: nn.Module, batch: Tensor, step: int) -> Tensor:
            raw = module(augment(inputs[batch], generator, problem.task))
            return problem.task.loss(raw, problem.labels[batch])

        steps = max(1, round(FINE_TUNE_SHARE * problem.student.steps))
        return train(
            student,
            loss,
            torch.arange(len(inputs)),
            steps,
            problem.student,
            problem.seed,
            "fine-tune",
            rate=FINE_TUNE_RATE,
        )
