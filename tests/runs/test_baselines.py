"""Baselines are trained beside a run that goes on with the same problem."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from typing import Any

import torch

from fedsa.data import resolve
from fedsa.data.transfer import TransferSet
from fedsa.models import build
from fedsa.options import StudentOptions
from fedsa.problem import Answers, Problem
from fedsa.runs.baselines import Baselines
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


def test_the_run_does_not_touch_what_a_job_is_packed_from() -> None:
    data = resolve("digits-table")
    problem = Problem(
        task=Classification(data.classes),
        transfer=TransferSet(data.inputs[:40]),
        labelled=torch.arange(20),
        labels=torch.from_numpy(data.labels[:20]),
        probe=torch.arange(8),
        build=partial(build, "mlp", (64,), seed=1),
        student=StudentOptions(model="mlp", steps=5),
    )
    test = (torch.zeros(1, 64), torch.zeros(1, dtype=torch.long))
    with Baselines(problem, test) as baselines:
        recorder = _Recorder()
        baselines._executor = recorder  # type: ignore[assignment]
        baselines.begin(["scratch"], Answers({}), None)
        before = [dict(vars(value)) for value in recorder.jobs[0] if isinstance(value, Problem)]
        assert problem.inputs.shape == (40, 64)  # the run goes on, and keeps what it computes
        after = [dict(vars(value)) for value in recorder.jobs[0] if isinstance(value, Problem)]
    assert len(before) == 1 and before[0].keys() == after[0].keys()
