"""What else one could do with the same answers: trained after the run, outside its budget."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch
from torch import Tensor

from fedsa.errors import ScenarioError
from fedsa.fusion import FUSIONS
from fedsa.fusion.base import Stage
from fedsa.fusion.training import outputs
from fedsa.options import FusionOptions, SelectionOptions
from fedsa.problem import Answers, Problem
from fedsa.selection.base import Evidence
from fedsa.selection.simple import BestSingle

FUSED = {
    "scratch": "scratch",
    "uniform": "multi-head",
    "best_single": "multi-head",
    "stacking": "stacking",
    "fedmd": "consensus",
    "bplus": "b-plus",
}
"""Baselines and the fusion that makes each; all but scratch and best_single use every teacher."""


def check(names: Sequence[str]) -> None:
    """Refuse baselines that do not exist.

    Raises
    ------
    ScenarioError
        Naming each.
    """
    faults = [
        f"baselines: there is no baseline '{name}'; choose from {', '.join(FUSED)}."
        for name in names
        if name not in FUSED
    ]
    if faults:
        raise ScenarioError(faults)


def best_single(evidence: Evidence) -> str:
    """Return the teacher that tells the labels best by itself."""
    return BestSingle(SelectionOptions()).select(evidence).selected[0]


def train_all(
    names: Sequence[str],
    problem: Problem,
    answers: Answers,
    best: str,
    test: tuple[Tensor, Tensor],
) -> Iterator[tuple[str, float]]:
    """Train baselines with the run's labels, items, trunk and steps; yield each with its metric.

    Parameters
    ----------
    names : Sequence[str]
        Of :data:`FUSED`.
    problem : Problem
        The run's.
    answers : Answers
        Every teacher's answers on the whole transfer set.
    best : str
        The teacher of ``best_single``.
    test : tuple[Tensor, Tensor]
        Inputs and labels to measure on, for the record only.
    """
    workers = min(len(names), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(_train, name, problem, answers, best, test, torch.get_num_threads())
            for name in names
        ]
        for name, job in zip(names, jobs, strict=True):
            yield name, job.result()


def _train(
    name: str,
    problem: Problem,
    answers: Answers,
    best: str,
    test: tuple[Tensor, Tensor],
    threads: int,
) -> float:
    torch.set_num_threads(threads)
    weights = {teacher: 1.0 / len(answers) for teacher in answers}
    if name == "best_single":
        weights = {best: 1.0}
    fusion = FUSIONS.get(FUSED[name])(FusionOptions())
    student = fusion.fit(problem, answers, weights, Stage(), {}).student
    return problem.task.metric(outputs(student, test[0]), test[1])
