"""Fusion by the variational model of Hoang, Lam, Low and Jaillet (ICML 2020), as they have it.

The selected teachers are experts of one :class:`~fedsa.prototypes.cvae.PrototypeVAE`; the new task
is one more, which answers its labelled items by their labels (label mapping ``pool``). Its
distribution over prototypes is then adapted by the PAC-Bayes bound, and the new model B_* labels
the transfer set for the student: the same student and the same budget as every other fusion.

In the paper experts share a known list of classes. A black box's classes have no names here, so
every teacher's classes, and the task's, are columns of their own; what they have in common is
found through z, from which all of them are read.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from fedsa.fusion.base import Fused, Stage, only_classes
from fedsa.fusion.cvae_adapt import adapt
from fedsa.fusion.cvae_training import Expert, Pool, fit, labelled, start
from fedsa.fusion.distil import distil
from fedsa.options import FusionOptions, StudentOptions
from fedsa.problem import Answers, Problem

EFFORT, LEAST, RATE = 3, 500, 5e-3
"""Steps of the variational model for each step of the student, the least of them, and its rate.
They come on top of the student's budget: this fusion needs more than the others do."""

SHARE = 0.5
"""How often the new task is drawn, against all teachers together."""


class VariationalFusion:
    """The prototypes of Hoang et al., distilled into the student.

    Parameters
    ----------
    options : FusionOptions | None
        Not used: sizes are the paper's.
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
        """Fit the model, adapt it to the task, distil it; see :class:`fedsa.fusion.base.Fusion`."""
        only_classes(problem, "The variational fusion")
        pool, columns = _pool(problem, answers, weights)
        pixels = bool((problem.inputs >= 0).all() and (problem.inputs <= 1).all())
        options = StudentOptions(batch=problem.student.batch, learning_rate=RATE)
        model, last = fit(
            start(pool, pixels, problem.seed),
            pool,
            max(LEAST, EFFORT * problem.student.steps),
            options,
            problem.seed,
            "cvae",
            stage.round,
        )
        tau = pool.taus[-1]
        inputs = pool.inputs[problem.labelled]
        adapted = adapt(model, inputs, columns[problem.labels], tau, problem.seed)
        beliefs = adapted.predict(pool.inputs)[:, columns].clamp_min(1e-6)
        beliefs = beliefs / beliefs.sum(dim=1, keepdim=True)
        items = answers.covered(weights)
        student = distil(problem, beliefs, items, "cvae-student", stage.round)
        facts = {"cvae_loss": last, "bound": min(adapted.bounds)}
        return Fused(student=student, facts=facts)


def _pool(problem: Problem, answers: Answers, weights: Mapping[str, float]) -> tuple[Pool, Tensor]:
    """Return teachers and task as one pool, and the task's columns."""
    experts, width = [], 0
    for name in answers:
        if weights.get(name, 0.0) > 0:
            items = answers.asked(name).nonzero()[:, 0]
            outputs = answers[name].shape[1]
            columns = torch.arange(width, width + outputs)
            experts.append(Expert(items, answers[name][items], columns, weights[name]))
            width += outputs
    own = torch.arange(width, width + problem.task.outputs)
    share = SHARE * sum(expert.weight for expert in experts) or 1.0
    experts.append(labelled(problem.labelled, problem.labels, own, share))
    return Pool(problem.inputs.flatten(1), experts, width + len(own)), own
