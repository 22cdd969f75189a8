"""What else one could do with the same answers: trained beside the run, outside its account."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from copy import deepcopy
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from fedsa.data.splits import split
from fedsa.errors import ScenarioError
from fedsa.fusion import FUSIONS
from fedsa.fusion.base import Stage
from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.fusion.training import outputs
from fedsa.options import FusionOptions, SelectionOptions
from fedsa.problem import Answers, Problem
from fedsa.runs import known_baselines
from fedsa.runs.orphans import go_with
from fedsa.scenario import Scenario
from fedsa.selection.base import Evidence
from fedsa.selection.evidence import EvidenceSelector
from fedsa.selection.simple import BestSingle
from fedsa.task import Several, Task

FUSED = {
    "scratch": "scratch",
    "uniform": "multi-head",
    "best_single": "multi-head",
    "stacking": "stacking",
    "by_name": "by-name",
    "fedmd": "consensus",
    "bplus": "b-plus",
    "fixmatch": "fixmatch",
    "self_training": "self-training",
    "supervised": "scratch",
}
"""Baselines and the fusion that makes each; all use every teacher but best_single and ALONE."""
SINGLE = "single_tasks"
"""A student of its own for each head, by the default's selection and fusion: no sharing."""
HEADS = ("scratch", "uniform", "best_single", "stacking", "supervised", SINGLE)
"""Baselines that know what to do with several heads."""
OPEN = ("transfer", "reference_fedsa", "fedavg", "fedprox")
"""Baselines that look inside teachers, which only a simulation lets them do."""
TEACHERLESS = ("scratch", "fixmatch", "self_training", "supervised")
"""Baselines that learn from the task's own data only."""
ALONE = (*TEACHERLESS, *OPEN[1:])
"""Baselines that need no answers."""


class Measured(NamedTuple):
    """A baseline's metric in [0, 1], and the bytes that it moved where that is another account.

    ``heads`` has each head's own metric, where the task has several.
    """

    metric: float
    bytes: int | None = None
    heads: Mapping[str, float] | None = None


def check(names: Sequence[str], several: bool = False, complete: bool = True) -> None:
    """Refuse baselines that do not exist, or that are not for this kind of task.

    Parameters
    ----------
    names : Sequence[str]
        As the scenario has them.
    several : bool
        Whether the task has several heads.
    complete : bool
        Whether the labels of all transfer items are known, as ``supervised`` has them.

    Raises
    ------
    ScenarioError
        Naming each.
    """
    every = (*FUSED, *OPEN, SINGLE)
    faults = [
        f"baselines: there is no baseline '{name}'; choose from {', '.join(every)}."
        for name in names
        if name not in every
    ]
    if "supervised" in names and not complete:
        faults.append(
            "baselines: 'supervised' learns from the labels of all items, and the data does not "
            "know them all; leave it out."
        )
    faults += [
        f"baselines: '{name}' is for a single classification; where the task has several heads "
        f"choose from {', '.join(HEADS)}."
        for name in names
        if several and name in every and name not in HEADS
    ]
    if SINGLE in names and not several:
        faults.append(f"baselines: '{SINGLE}' has a student for each head; the task has only one.")
    if faults:
        raise ScenarioError(faults)


class Baselines:
    """Trains baselines beside the run, on the cores that the run leaves free.

    Each gets the run's labels, items, trunk and steps; all but those in ``ALONE`` get teachers'
    answers, by default of every teacher on the whole transfer set, which the run's own account
    does not hold. ``supervised``, which learns from the labels of all items, and those in ``OPEN``
    see more than the run.

    Parameters
    ----------
    problem : Problem
        The run's.
    test : tuple[Tensor, Tensor]
        Inputs and labels to measure on, for the record only.
    truth : Tensor
        ``(n,)`` the labels of all transfer items; nobody but ``supervised`` gets them.
    scenario : Scenario
        Its pool is what the baselines in ``OPEN`` look inside.
    """

    def __init__(
        self,
        problem: Problem,
        test: tuple[Tensor, Tensor],
        truth: Tensor,
        scenario: Scenario,
    ) -> None:
        self.problem, self.test, self.truth, self.scenario = problem, test, truth, scenario
        self._jobs: dict[str, Future[Measured]] = {}
        self._places: dict[str, Path] = {}
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Baselines:
        return self

    def __exit__(self, *_: object) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)

    def begin(self, names: Sequence[str], answers: Answers, evidence: Evidence | None) -> None:
        """Start training; ``evidence`` is what ``best_single`` chooses its teacher by."""
        if not names:
            return
        if self._executor is None:
            workers = max(1, min(len(names), (os.cpu_count() or 1) - 1))
            self._executor = ProcessPoolExecutor(
                workers, get_context("spawn"), initializer=go_with, initargs=(os.getpid(),)
            )
        # The executor packs its jobs in a thread of its own, while the run goes on, and moves
        # their tensors to shared memory for that, which frees what they lay in: whoever reads them
        # meanwhile reads what is no longer theirs. So the jobs get copies that nobody touches.
        problem, told, test = deepcopy((self.problem, answers, self.test))
        weights = {teacher: 1.0 / len(answers) for teacher in answers}
        for name in names:
            own = weights
            if name in ("best_single", "transfer") and evidence is not None:
                own = dict(BestSingle(SelectionOptions()).select(evidence).weights)
            threads = torch.get_num_threads()
            if name == SINGLE and evidence is not None:
                selector = EvidenceSelector(SelectionOptions())
                each = [dict(selector.select(part).weights) for _, part in evidence.parts()]
                options = self.scenario.fusion
                self._jobs[name] = self._executor.submit(
                    _train_each, problem, told, each, test, threads, options
                )
                continue
            if name in OPEN:
                self._jobs[name] = self._executor.submit(
                    _train_open, name, problem, self.scenario, own, test, threads
                )
                continue
            given, own_problem = problem, self.problem
            if name == "supervised":
                given, own_problem = self._told_all(given), self._told_all(own_problem)
            if name in TEACHERLESS and (
                where := known_baselines.place(name, own_problem, self.test)
            ):
                if (metric := known_baselines.read(where)) is not None:
                    self._jobs[name] = Future()
                    self._jobs[name].set_result(Measured(metric))
                    continue
                self._places[name] = where
            self._jobs[name] = self._executor.submit(
                _train, FUSED[name], given, told, own, test, threads
            )

    def _told_all(self, problem: Problem) -> Problem:
        """Return the problem as it is for one who knows the labels of all items."""
        everything = torch.arange(len(self.truth))
        return replace(problem, labelled=everything, labels=self.truth.clone())

    def finished(self) -> Iterator[tuple[str, Measured]]:
        """Wait for each baseline in turn and yield it with what was measured, once."""
        jobs, self._jobs = self._jobs, {}
        for name, job in jobs.items():
            measured = job.result()
            if name in self._places:
                known_baselines.keep(self._places[name], measured.metric)
            yield name, measured


def _train(
    fusion: str,
    problem: Problem,
    answers: Answers,
    weights: Mapping[str, float],
    test: tuple[Tensor, Tensor],
    threads: int,
) -> Measured:
    torch.set_num_threads(threads)
    student = (
        FUSIONS.get(fusion)(FusionOptions()).fit(problem, answers, weights, Stage(), {}).student
    )
    return _measured(problem.task, outputs(student, test[0]), test[1])


def _train_each(
    problem: Problem,
    answers: Answers,
    weights: Sequence[Mapping[str, float]],
    test: tuple[Tensor, Tensor],
    threads: int,
    options: FusionOptions,
) -> Measured:
    """Train a student for each head alone, each with the whole budget and its own teachers."""
    torch.set_num_threads(threads)
    raw = []
    for alone, own in zip(problem.alone(), weights, strict=True):
        fused = PrototypeFusion(options).fit(alone, answers, own, Stage(), {})
        raw.append(outputs(fused.student, test[0]))
    return _measured(problem.task, torch.cat(raw, dim=1), test[1])


def _measured(task: Task, raw: Tensor, labels: Tensor) -> Measured:
    heads = task.metrics(raw, labels) if isinstance(task, Several) else None
    return Measured(task.metric(raw, labels), heads=heads)


def _train_open(
    name: str,
    problem: Problem,
    scenario: Scenario,
    weights: Mapping[str, float],
    test: tuple[Tensor, Tensor],
    threads: int,
) -> Measured:
    # Here, as what these take to import is wasted on runs without them.
    from fedsa.whitebox import averaging, reference
    from fedsa.whitebox.owners import owners
    from fedsa.whitebox.transfer import transfer

    torch.set_num_threads(threads)
    opened = owners(scenario, split(scenario))
    moved: int | None = None
    if name == "transfer":
        student = transfer(problem, opened, weights)
    elif name == "reference_fedsa":
        student, moved = reference.fedsa(problem, opened)
    else:
        pull = averaging.PULL if name == "fedprox" else 0.0
        student, moved = averaging.averaging(problem, opened, averaging.Plan(pull=pull))
    return Measured(problem.task.metric(outputs(student, test[0]), test[1]), moved)
