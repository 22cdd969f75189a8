"""``fedsa bench fusion``: what the server needs to fuse many teachers' answers on many items.

The answers are made up, but not without sense: every teacher knows some classes, is right of most
of their items and unsure of the others, so that regressions and clusters have as much to do as in
a run.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import psutil
import torch

from fedsa.bench.clock import Clock, Clocked
from fedsa.bench.figures import machine, megabytes, peak, spread
from fedsa.data.transfer import TransferSet
from fedsa.fusion.base import Stage
from fedsa.fusion.beliefs import believe
from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.models import build
from fedsa.options import FusionOptions, StudentOptions
from fedsa.problem import Answers, Problem
from fedsa.seeding import torch_generator
from fedsa.task import Classification

CLASSES, EACH = 10, 5
"""Classes of the task, and those that each teacher knows."""
SHARE = 0.003
"""Of the items that have a label: too few for networks of the labels alone, which would be timed
too (:mod:`fedsa.fusion.witness`)."""
SELECTED, BLOCK, REPEATS = 10, 40, 3
"""Teachers selected among all, steps of a block, and blocks of each kind, for the ratio."""


def fusion(teachers: int = 100, items: int = 50_000, steps: int | None = None) -> dict[str, Any]:
    """Measure a whole fusion on one thread, and a step with and without teachers not selected.

    Parameters
    ----------
    teachers : int
        All of them are selected in the whole fusion.
    items : int
        Images of 28 x 28 that everybody has answered.
    steps : int | None
        The student's budget (unset: the default's).

    Returns
    -------
    dict[str, Any]
        ``seconds`` has the whole fusion, and its beliefs by themselves, ``milliseconds`` a step;
        ``ratio`` is the median over the repeats of a step with ten selected among all over one
        with the ten alone; ``peak_memory_mb`` is the process's in the whole fusion, ``answers_mb``
        what the answers take of it.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _measure(
            teachers, items, StudentOptions() if steps is None else StudentOptions(steps=steps)
        )
    finally:
        torch.set_num_threads(before)


def _measure(teachers: int, items: int, student: StudentOptions) -> dict[str, Any]:
    clock = Clock()
    problem, answers = _made_up(teachers, items, student, clock)
    even = dict.fromkeys(answers, 1.0 / teachers)
    begin = time.perf_counter()
    believe(problem, answers, even)
    believed = time.perf_counter()
    PrototypeFusion().fit(problem, answers, even, Stage(), {})
    end = time.perf_counter()
    whole = clock.step(student.steps)
    memory = megabytes([peak(psutil.Process())])

    few = tuple(answers)[:SELECTED]
    weights = dict.fromkeys(few, 1.0 / len(few))
    short = replace(
        problem, student=student.model_copy(update={"steps": min(BLOCK, student.steps)})
    )
    times: dict[str, list[float]] = {"alone": [], "among others": []}
    for _ in range(REPEATS):
        for name, given in (("alone", answers.of(few)), ("among others", answers)):
            clock.began.clear()
            options = FusionOptions(adapt_share=1.0)
            PrototypeFusion(options).fit(short, given, weights, Stage(), {})
            times[name].append(1000 * clock.step(short.student.steps))
    ratio = spread([b / a for a, b in zip(times["alone"], times["among others"], strict=True)], 3)
    return {
        "benchmark": "fusion",
        "teachers": teachers,
        "items": items,
        "answers": EACH * teachers,
        "labels": len(problem.labels),
        "student": "conv",
        "steps": student.steps,
        "selected": len(few),
        "ratio": ratio["median"],
        "ratio_range": [ratio["min"], ratio["max"]],
        "seconds": {"beliefs": round(believed - begin, 1), "whole": round(end - believed, 1)},
        "milliseconds": {
            "whole": round(1000 * whole, 3),
            **{name: spread(values, 3) for name, values in times.items()},
        },
        "threads": 1,
        "answers_mb": megabytes([rows.nbytes for rows in answers.values()]),
        "peak_memory_mb": {"process": memory},
        **machine(),
    }


def _made_up(
    teachers: int, items: int, student: StudentOptions, clock: Clock
) -> tuple[Problem, Answers]:
    draw = torch_generator(0, "bench", "fusion")
    truth = torch.randint(CLASSES, (items,), generator=draw)
    found = {}
    for number in range(teachers):
        own = torch.randperm(CLASSES, generator=draw)[:EACH]
        logits = torch.randn(items, EACH, generator=draw) + 3.0 * (truth[:, None] == own)
        found[f"teacher-{number}"] = logits.softmax(dim=1)
    labelled = torch.randperm(items, generator=draw)[: max(2 * CLASSES, round(SHARE * items))]
    images = torch.randint(256, (items, 1, 28, 28), generator=draw, dtype=torch.uint8)
    trunk = partial(build, "conv", (1, 28, 28), seed=0)
    problem = Problem(
        task=Classification(tuple(map(str, range(CLASSES)))),
        transfer=TransferSet(np.asarray(images)),
        labelled=labelled,
        labels=truth[labelled],
        probe=labelled[:1],
        build=lambda outputs: Clocked(trunk(outputs), clock),
        student=student,
    )
    return problem, Answers(found)
