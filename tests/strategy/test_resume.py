"""Runs that are interrupted, and teachers that go and come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedsa.problem import Problem
from fedsa.runs.memory import Memory
from fedsa.strategy import AllTeachersGone, aside, roll
from tests.strategy.conftest import FIRST_NODE, LocalGrid, scenario
from tests.strategy.harness import (
    IDS,
    Events,
    Reference,
    Stop,
    default,
    equal,
    make,
    state,
)


@pytest.mark.parametrize(
    "stop",
    [
        lambda event, fields: event == "phase" and fields == {"phase": "query", "round": 1},
        lambda event, fields: event == "round" and fields["round"] == 1,
        lambda event, fields: event == "selection" and fields["round"] == 2,
        lambda event, fields: event == "phase" and fields == {"phase": "fusion", "round": 2},
    ],
    ids=["before-any-checkpoint", "after-round-1", "after-selecting", "with-answers-in-the-store"],
)
def test_a_killed_run_goes_on_as_if_never_killed(
    reference: Reference,
    problem: Problem,
    pool: Path,
    tmp_path: Path,
    stop: Callable[[str, dict[str, Any]], bool],
) -> None:
    killed, grid = default(problem, tmp_path, Events(stop)), LocalGrid(pool)
    with pytest.raises(Stop):
        killed.start(grid, num_rounds=2)
    del killed
    events = Events()
    resumed, again = default(problem, tmp_path, events), LocalGrid(pool)
    resumed.start(again, num_rounds=2)
    whole = reference.strategy
    assert equal(state(resumed), state(whole))
    assert equal(resumed.memory.state, whole.memory.state)
    assert resumed.memory.accounts == whole.memory.accounts
    assert resumed.memory.history == whole.memory.history
    assert equal(resumed.memory.marks, whole.memory.marks)
    # What was answered before is not asked again: together they asked what the whole run asked.
    together = grid.asked.count("query.predict") + again.asked.count("query.predict")
    assert together == reference.grid.asked.count("query.predict")


def test_when_all_teachers_are_gone_the_checkpoint_stands(
    reference: Reference, problem: Problem, pool: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(roll, "NODES_WAIT", 0.3)
    grid = LocalGrid(pool)
    strategy = default(problem, tmp_path, Events())
    strategy.observe = lambda event, **_: event == "round" and grid.gone.update((11, 12))
    with pytest.raises(AllTeachersGone, match="resume it"):
        strategy.start(grid, num_rounds=2)
    latest = strategy.checkpoints.latest()
    assert latest is not None and Memory.load(latest).round == 1
    assert strategy.student is not None
    # A resume that finds nobody says the same, and can still write down what there is.
    resumed = default(problem, tmp_path)
    with pytest.raises(AllTeachersGone):
        resumed.start(grid, num_rounds=2)
    assert aside.looks(resumed, grid, problem.probe[:2]) == {}
    grid.gone.clear()
    resumed.start(grid, num_rounds=2)
    assert equal(state(resumed), state(reference.strategy))
    assert resumed.memory.accounts == reference.strategy.memory.accounts


def test_a_teacher_may_come_later_and_restart(problem: Problem, pool: Path, tmp_path: Path) -> None:
    events, grid = Events(), LocalGrid(pool, gone={FIRST_NODE + 1})
    strategy = make(problem, tmp_path, events, scenario(student={"steps": 20}))

    def later(event: str, **fields: Any) -> None:
        events(event, **fields)
        if event == "round":
            grid.gone.clear()

    strategy.observe = later
    strategy.start(grid, num_rounds=2)
    chosen = [entry["selected"] for entry in strategy.memory.history]
    assert chosen == [["even", "low"], IDS]
    assert strategy.memory.accounts["high"].to_teacher > problem.transfer.array.nbytes
