"""``fedsa bench student``: a step of the fusion against a plain cross-entropy step.

Both train the same student on the same items with the same loop, in turn, in one process. A
clock in the student's trunk notes when each training step begins, so that whatever a fusion does
before and after its steps is not counted, and no fusion needs to know of the measurement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import psutil
import torch

from fedsa.app_folder import builtin_scenario
from fedsa.bench.clock import Clock, Clocked
from fedsa.bench.figures import machine, megabytes, peak, spread
from fedsa.data.splits import split
from fedsa.fusion.base import Fusion, Stage
from fedsa.fusion.distil import distil
from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.options import FusionOptions
from fedsa.problem import Answers, Problem
from fedsa.runs.conduct import make_problem
from fedsa.scenario import load
from fedsa.seeding import torch_generator

STEPS = 40
REPEATS = 9
ITEMS = 2000


def student(steps: int = STEPS, repeats: int = REPEATS, items: int = ITEMS) -> dict[str, Any]:
    """Measure a step of the prototype fusion with ten teachers' answers.

    Parameters
    ----------
    steps : int
        Steps of one block; blocks of each kind take turns.
    repeats : int
        Blocks of each kind.
    items : int
        Of the transfer set; three in a hundred are labelled.

    Returns
    -------
    dict[str, Any]
        ``ratio`` is the median over the repeats of a block's median step over the plain block's
        beside it, for the adaptation, in which the task is learnt; ``ratio_prototypes`` is the
        same for the stage without labels; ``milliseconds`` has the steps' times.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = _measure(steps, repeats, items)
    finally:
        torch.set_num_threads(before)
    return found


def _measure(steps: int, repeats: int, items: int) -> dict[str, Any]:
    smaller = [f"task.items={items}", "task.label-share=0.03"]
    scenario = load(builtin_scenario("quickstart"), smaller)
    whole = make_problem(scenario, split(scenario.model_copy(update={"teachers": ()})))
    clock = Clock()
    budget = whole.student.model_copy(update={"steps": steps})
    problem = replace(
        whole, student=budget, build=lambda outputs: Clocked(whole.build(outputs), clock)
    )
    classes = whole.task.outputs
    widths = [len(teacher.classes) or classes for teacher in scenario.pool()]
    answers = _answers(widths, problem)
    weights = {name: 1.0 / len(answers) for name in answers}
    targets = torch.full((len(problem.transfer), classes), 1.0 / classes)
    every = torch.arange(len(problem.transfer))

    def fuse(adapt_share: float) -> None:
        fusion: Fusion = PrototypeFusion(FusionOptions(adapt_share=adapt_share, sight=False))
        fusion.fit(problem, answers, weights, Stage(), {})

    def plain() -> None:
        distil(problem, targets, every, "bench")

    kinds: dict[str, Callable[[], None]] = {
        "plain": plain,
        "adapt": partial(fuse, 1.0),
        "prototypes": partial(fuse, 0.0),
    }
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(repeats):
        for name, block in kinds.items():
            clock.began.clear()
            block()
            times[name].append(1000 * clock.step(steps))
    ratios = {
        name: spread(
            [one / plain for one, plain in zip(times[name], times["plain"], strict=True)], 3
        )
        for name in ("adapt", "prototypes")
    }
    return {
        "benchmark": "student",
        "student": scenario.student.model,
        "batch": budget.batch,
        "teachers": len(answers),
        "answers": sum(widths),
        "steps": steps,
        "repeats": repeats,
        "ratio": ratios["adapt"]["median"],
        "ratio_range": [ratios["adapt"]["min"], ratios["adapt"]["max"]],
        "ratio_prototypes": ratios["prototypes"]["median"],
        "milliseconds": {name: spread(values, 3) for name, values in times.items()},
        "threads": 1,
        "peak_memory_mb": {"process": megabytes([peak(psutil.Process())])},
        **machine(),
    }


def _answers(widths: list[int], problem: Problem) -> Answers:
    """Make up answers: what a step costs does not depend on what they say."""
    draw = torch_generator(problem.seed, "bench", "answers")
    return Answers(
        {
            f"teacher-{place}": torch.randn(len(problem.transfer), width, generator=draw).softmax(
                dim=1
            )
            for place, width in enumerate(widths)
        }
    )
