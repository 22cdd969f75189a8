"""Prototype-distribution fusion: the default (after Hoang, Lam, Low and Jaillet, ICML 2020).

First without labels: the trunk, the prototypes and every teacher's emissions are fitted to the
teachers' answers on the transfer set. Then the task joins: its emissions over the same
prototypes start at their closed-form posterior, and all is adapted end to end, to the beliefs
about the task and, still, to the teachers' answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fedsa.fusion.base import Fused, Stage
from fedsa.fusion.beliefs import Believed
from fedsa.fusion.consistency import Consistency
from fedsa.fusion.hearing import hear
from fedsa.fusion.training import outputs, train
from fedsa.fusion.values import filled, units
from fedsa.options import FusionOptions
from fedsa.problem import Answers, Problem
from fedsa.prototypes.competence import confidence
from fedsa.prototypes.pool import TeacherEmissions, coverage, spread
from fedsa.prototypes.posterior import emissions
from fedsa.prototypes.space import Prototypes, TaskHead
from fedsa.seeding import derive
from fedsa.task import Task


class Model(nn.Module):
    """Trunk, prototypes, the teachers' emissions, and the task's head on the same prototypes."""

    def __init__(
        self, trunk: nn.Module, space: Prototypes, emissions: TeacherEmissions, task: Task
    ) -> None:
        super().__init__()
        self.trunk, self.space, self.emissions = trunk, space, emissions
        self.head = TaskHead(space, task)

    def student(self) -> nn.Module:
        """Return what leaves: inputs to the task's raw outputs."""
        return nn.Sequential(self.trunk, self.head).eval()


@dataclass(frozen=True)
class _Pool:
    """The selected teachers' answers side by side."""

    names: tuple[str, ...]
    widths: tuple[int, ...]
    graded: tuple[bool, ...]
    weights: Tensor
    answers: Tensor
    items: Tensor


class PrototypeFusion:
    """Teachers and the new task as distributions over shared prototypes.

    Parameters
    ----------
    options : FusionOptions
        Number and sharpness of the prototypes, share of the adaptation in the budget.
    """

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
        """Train for one round's share of the budget; see :class:`fedsa.fusion.base.Fusion`."""
        pool = _pool(answers, weights)
        model = self._start(problem, pool, state)
        free, joint = self._budget(problem.student.steps, stage)
        facts: dict[str, float] = {}
        if free:
            model, facts["prototype_loss"] = self._share(problem, pool, model, free, stage)
        options = self.options
        believed, said, notes = hear(problem, answers, weights, options, state, bool(joint))
        has_head = "head.scores" in state
        if not has_head:
            with torch.no_grad():
                model.head.start(_posterior(problem, pool, model, believed))
        if joint:
            model, facts["adapt_loss"] = self._adapt(problem, pool, model, believed, joint, stage)
        with torch.no_grad():
            a = model.space(outputs(model.trunk, problem.inputs))
        facts["prototypes_used"] = float((a.mean(dim=0) > 0.1 / a.shape[1]).sum())
        sure = torch.stack([confidence(answers, name) for name in answers])
        return Fused(
            student=model.student(),
            state=_state(model, pool, state, with_head=has_head or joint > 0) | dict(said),
            facts=facts,
            views={
                "responsibilities": a,
                "coverage": coverage(a, sure),
                "emission": model.head.emission.detach(),
            },
            notes=notes,
        )

    def taken_apart(
        self, problem: Problem, state: Mapping[str, Tensor], inputs: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return what the student of a state sees in items: prototypes, and the linear remainder.

        Parameters
        ----------
        problem : Problem
            The run's.
        state : Mapping[str, Tensor]
            As :meth:`fit` returned it in ``Fused.state``.
        inputs : Tensor
            ``(n, *shape)`` float32.

        Returns
        -------
        tuple[Tensor, Tensor]
            ``(n, M)`` responsibilities and ``(n, C)`` the remainder's part of the logits.
        """
        model = self._fresh(problem, (), ()).eval()
        model.load_state_dict(_own(state), strict=False)
        with torch.no_grad():
            embedding = outputs(model.trunk, inputs)
            return model.space(embedding), model.head.remainder(embedding)

    def _budget(self, steps: int, stage: Stage) -> tuple[int, int]:
        """Return this round's steps without labels and with the task."""
        begin = steps * (stage.round - 1) // stage.rounds
        end = steps * stage.round // stage.rounds
        border = round((1.0 - self.options.adapt_share) * steps)
        free = max(0, min(end, border) - begin)
        return free, end - begin - free

    def _fresh(self, problem: Problem, widths: tuple[int, ...], graded: tuple[bool, ...]) -> Model:
        options, width = self.options, problem.student.embedding
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(problem.seed, "prototypes", "start"))
            return Model(
                problem.build(width),
                Prototypes(width, options.prototypes, options.concentration),
                TeacherEmissions(options.prototypes, widths, graded),
                problem.task,
            )

    def _start(self, problem: Problem, pool: _Pool, state: Mapping[str, Tensor]) -> Model:
        model = self._fresh(problem, pool.widths, pool.graded)
        if state:
            # A teacher that is new to the selection begins with fresh emissions.
            blocks = list(torch.split(model.emissions.scores.detach(), list(pool.widths), dim=1))
            known = [state.get(f"emission.{name}") for name in pool.names]
            kept = [new if old is None else old for new, old in zip(blocks, known, strict=True)]
            own = _own(state) | {"emissions.scores": torch.cat(kept, dim=1)}
            model.load_state_dict(own, strict=False)
        return model.eval()  # the head starts from what items are by themselves, not in a batch

    def _share(
        self, problem: Problem, pool: _Pool, model: Model, steps: int, stage: Stage
    ) -> tuple[Model, float]:
        def loss(module: nn.Module, batch: Tensor, step: int) -> Tensor:
            assert isinstance(module, Model)
            a = module.space(module.trunk(problem.inputs[batch]))
            fit = module.emissions.misfit(a, pool.answers[batch], pool.weights)
            return fit - self.options.spread * spread(a)

        where = ("prototypes", stage.round)
        found, last = train(model, loss, pool.items, steps, problem.student, problem.seed, *where)
        assert isinstance(found, Model)
        return found, last

    def _adapt(
        self,
        problem: Problem,
        pool: _Pool,
        model: Model,
        believed: Believed,
        steps: int,
        stage: Stage,
    ) -> tuple[Model, float]:
        items = _heard(problem, pool)
        about = believed.rows
        views = Consistency(problem, about, stage.round) if believed.looked else None

        def loss(module: nn.Module, batch: Tensor, step: int) -> Tensor:
            assert isinstance(module, Model)
            if views is None:
                embedding = module.trunk(problem.inputs[batch])
                task = problem.task.loss(module.head(embedding), about[batch])
            else:
                embedding, task = views(module.trunk, module.head, batch)
            a = module.space(embedding)
            return task + module.emissions.misfit(a, pool.answers[batch], pool.weights)

        where = ("adapt", stage.round)
        found, last = train(model, loss, items, steps, problem.student, problem.seed, *where)
        assert isinstance(found, Model)
        return found, last


def _pool(answers: Answers, weights: Mapping[str, float]) -> _Pool:
    names = tuple(name for name in answers if weights.get(name, 0.0) > 0)
    shares = torch.tensor([weights[name] for name in names], dtype=torch.float32)
    return _Pool(
        names=names,
        widths=tuple(answers[name].shape[1] for name in names),
        graded=tuple(name in answers.graded for name in names),
        weights=shares / shares.sum() / units(answers, names),
        answers=torch.cat([filled(answers, name) for name in names], dim=1),
        items=answers.covered(weights),
    )


def _heard(problem: Problem, pool: _Pool) -> Tensor:
    """Return the items of which labels or answers tell something, in order."""
    found: Tensor = torch.unique(torch.cat([pool.items, problem.labelled]))
    return found


def _posterior(problem: Problem, pool: _Pool, model: Model, believed: Believed) -> Tensor:
    """Return the closed form's emissions; items that nobody was asked about say nothing."""
    items = _heard(problem, pool)
    a = model.space(outputs(model.trunk, problem.inputs[items]))
    among = torch.searchsorted(items, problem.labelled)
    return emissions(problem.task, a, among, problem.labels, believed.rows[items])


def _own(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what a state holds of the student, by the names of its parameters."""
    return {k: v for k, v in state.items() if not k.startswith(("emission.", "witness."))}


def _state(
    model: Model, pool: _Pool, before: Mapping[str, Tensor], with_head: bool
) -> dict[str, Tensor]:
    """Return the tensors to go on from; a teacher left out keeps the emissions it had."""
    state = {name: value for name, value in before.items() if name.startswith("emission.")}
    blocks = torch.split(model.emissions.scores.detach(), list(pool.widths), dim=1)
    state |= {f"emission.{name}": block for name, block in zip(pool.names, blocks, strict=True)}
    for name, value in model.state_dict().items():
        if name.startswith(("emissions.", "head.space.")):
            continue
        if with_head or not name.startswith("head."):
            state[name] = value.detach().clone()
    return state
