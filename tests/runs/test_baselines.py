"""Baselines are trained beside a run that goes on with the same problem."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest
import torch

from fedsa.data import resolve
from fedsa.data.transfer import TransferSet
from fedsa.models import build
from fedsa.options import StudentOptions
from fedsa.problem import Answers, Problem
from fedsa.runs.baselines import FUSED, Baselines
from fedsa.scenario import parse
from fedsa.task import Classification


class _Recorder:
    """Stands for the pool of workers, which packs a job at some later time."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Any, ...]] = []

    def submit(self, *job: Any) -> Future[float]:
        self.jobs.append(job)
        return Future()

    def shutdown(self, **_: Any) -> None:
        pass


@pytest.fixture
def problem() -> Problem:
    """Forty digits, the first twenty labelled."""
    data = resolve("digits-table")
    return Problem(
        task=Classification(data.classes),
        transfer=TransferSet(data.inputs[:40]),
        labelled=torch.arange(20),
        labels=torch.from_numpy(data.labels[:20]),
        probe=torch.arange(8),
        build=partial(build, "mlp", (64,), seed=1),
        student=StudentOptions(model="mlp", steps=5),
    )


def begun(problem: Problem, truth: torch.Tensor, *names: str) -> _Recorder:
    """The jobs of these baselines, as they would go to the workers."""
    test = (torch.zeros(1, 64), torch.zeros(1, dtype=torch.long))
    with Baselines(
        problem, test, truth, parse({"name": "x", "task": {"data": "digits-table"}})
    ) as baselines:
        recorder = _Recorder()
        baselines._executor = recorder  # type: ignore[assignment]
        baselines.begin(names, Answers({}), None)
    return recorder


def test_the_run_does_not_touch_what_a_job_is_packed_from(problem: Problem) -> None:
    recorder = begun(problem, torch.zeros(40, dtype=torch.long), "scratch")
    before = [dict(vars(value)) for value in recorder.jobs[0] if isinstance(value, Problem)]
    assert problem.inputs.shape == (40, 64)  # the run goes on, and keeps what it computes
    after = [dict(vars(value)) for value in recorder.jobs[0] if isinstance(value, Problem)]
    assert len(before) == 1 and before[0].keys() == after[0].keys()


def test_packing_a_job_moves_no_tensor_that_the_run_reads(problem: Problem) -> None:
    truth = torch.zeros(40, dtype=torch.long)
    test = (torch.zeros(1, 64), torch.zeros(1, dtype=torch.long))
    answers = Answers({"a": torch.full((40, 3), 1 / 3)})
    scenario = parse({"name": "x", "task": {"data": "digits-table"}})
    recorder = _Recorder()
    with Baselines(problem, test, truth, scenario) as baselines:
        baselines._executor = recorder  # type: ignore[assignment]
        baselines.begin(["stacking", "supervised"], answers, None)
    for job in recorder.jobs:  # as the pool of workers does it, in a thread of its own
        ForkingPickler.dumps(job)
    read = (problem.labelled, problem.labels, problem.probe, *test, truth, answers["a"])
    assert len(recorder.jobs) == 2 and not any(tensor.is_shared() for tensor in read)
    given = next(value for value in recorder.jobs[0] if isinstance(value, Problem))
    assert given.labels.is_shared()  # so packing does move what it packs


def test_nobody_but_supervised_gets_the_labels_of_all_items(problem: Problem) -> None:
    truth = torch.from_numpy(resolve("digits-table").labels[:40])
    names = [name for name in FUSED if name != "best_single"]
    given = {}
    for name, job in zip(names, begun(problem, truth, *names).jobs, strict=True):
        (given[name],) = [value for value in job if isinstance(value, Problem)]
    assert torch.equal(given["supervised"].labelled, torch.arange(40))
    assert torch.equal(given.pop("supervised").labels, truth)
    assert all(torch.equal(one.labels, problem.labels) for one in given.values())
