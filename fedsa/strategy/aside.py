"""What is asked beside the rounds: answers for baselines, on no account, and looks for people."""

from __future__ import annotations

import numpy as np
import torch
from flwr.serverapp import Grid
from torch import Tensor

from fedsa.errors import AllTeachersGone
from fedsa.problem import Answers
from fedsa.saliency.compact import CompactMaps
from fedsa.selection.base import Evidence
from fedsa.strategy.amalgamation import Amalgamation


def metered(strategy: Amalgamation, grid: Grid) -> bool:
    """Whether a teacher in reach has terms, so that nothing may be asked beside the run.

    Raises
    ------
    AllTeachersGone
        If nobody is here.
    """
    strategy.inquiry.enrol(grid, strategy.memory)
    return strategy.inquiry.metered


def survey(strategy: Amalgamation, grid: Grid) -> Answers:
    """Return every reachable teacher's answers on the whole transfer set.

    Raises
    ------
    AllTeachersGone
        If nobody is here.
    """
    inquiry = strategy.inquiry
    inquiry.enrol(grid, strategy.memory)
    inquiry.ask(grid, inquiry.present, inquiry.order, aside=True)
    return inquiry.store.dense()


def answers(strategy: Amalgamation) -> Answers:
    """Return the answers that the run itself asked for, without asking anybody."""
    return strategy.inquiry.store.dense().among(strategy.memory.marks)


def unused(strategy: Amalgamation) -> dict[str, int]:
    """Return how many answers each teacher with terms gave that the run has not used.

    They were asked ahead, or came late, and the teacher was not selected again. Empty if nobody
    has terms: then the store may hold what was asked outside the run's account.
    """
    inquiry, marks = strategy.inquiry, strategy.memory.marks
    if not inquiry.metered:
        return {}
    return {
        name: int(inquiry.store.asked(name).sum()) - int(marks[name].sum())
        for name in sorted(marks)
    }


def evidence(strategy: Amalgamation) -> Evidence:
    """Return the evidence that a selection would be made on now, without looks.

    Of the answers that are kept; nobody is asked.
    """
    memory, problem = strategy.memory, strategy.problem
    student = memory.student_answers
    if student is None:  # before the first look nothing is known of the student
        even = torch.zeros(len(problem.transfer), problem.task.outputs)
        student = problem.task.answer(even)
    told = strategy.response_answers()
    known = tuple(name for name in told if bool(told.asked(name).any()))
    return Evidence(problem, memory.round, strategy.rounds, known, {}, told, student)


def looks(strategy: Amalgamation, grid: Grid, items: Tensor) -> dict[str, CompactMaps]:
    """Return the compact maps that teachers let out for some items, for people to see."""
    if not strategy.inquiry.exchange.cards:
        try:
            strategy.inquiry.enrol(grid, strategy.memory)
        except AllTeachersGone:
            return {}  # what a run leaves is written without them too
    return strategy.looking.maps(grid, strategy.memory, items.numpy().astype(np.int32))
