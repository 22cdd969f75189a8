"""The student as the strategy sees it: what it answers and where it looks, for comparison."""

from __future__ import annotations

import torch
from torch import nn

from fedsa.fusion.base import Stage
from fedsa.fusion.scratch import Scratch
from fedsa.fusion.training import outputs
from fedsa.options import SaliencyOptions
from fedsa.problem import Answers, Problem
from fedsa.runs.memory import Memory
from fedsa.saliency import maps
from fedsa.saliency.batches import Answering
from fedsa.saliency.compact import compact
from fedsa.task import Task

FIRST_LOOK = 0.5
"""Share of the budget's steps that the first student is trained for, on the labels alone."""


def first(problem: Problem) -> nn.Module:
    """Train the first student on the labels alone."""
    return Scratch(share=FIRST_LOOK).fit(problem, Answers({}), {}, Stage(), {}).student


def _seen(student: nn.Module, task: Task) -> nn.Module:
    """Return the student as looks are taken of it: every head counts alike, however wide it is."""
    if task.distributions:
        return student
    shares = torch.cat([torch.full((h.task.outputs,), 1.0 / h.task.outputs) for h in task.heads])
    return Answering(student, lambda raw: task.answer(raw) * shares)


def note(problem: Problem, student: nn.Module, options: SaliencyOptions, memory: Memory) -> None:
    """Note the student's answers and looks, by which teachers are judged next round."""
    memory.student_answers = problem.task.answer(outputs(student, problem.inputs))
    found = maps(options.method, _seen(student, problem.task), problem.inputs[problem.probe])
    memory.student_maps = compact(found, options.grid, options.bits)
