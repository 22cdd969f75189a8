"""Within terms too, a run that was killed goes on as if it never was."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message

from fedsa.problem import Problem
from fedsa.selection.base import Evidence, Selection
from fedsa.selection.simple import All
from fedsa.strategy import Amalgamation, Wiring
from fedsa.strategy.plan import Plan
from tests.strategy.conftest import scenario
from tests.strategy.harness import IDS, EachRound, Events, Stop, equal, state
from tests.strategy.institutions import Institutions

ROUNDS, PROBE = 3, 10
Dies = Callable[[str, dict[str, Any]], bool]


class Noting(All):
    """All teachers alike; keeps by round which of them had shown their look."""

    def select(self, evidence: Evidence) -> Selection:
        self.looked = getattr(self, "looked", {}) | {evidence.round: sorted(evidence.closeness)}
        return super().select(evidence)


class Counted(Amalgamation):
    """Keeps by round how many answers of each teacher were used."""

    def aggregate_train(self, server_round: int, replies: Iterable[Message]) -> Any:
        found = super().aggregate_train(server_round, replies)
        counts = {name: int(marks.sum()) for name, marks in self.memory.marks.items()}
        self.used = getattr(self, "used", {}) | {server_round: counts}
        return found


def put_together(problem: Problem, folder: Path, events: Events) -> Counted:
    options = scenario(student={"steps": 20})
    return Counted(
        problem,
        Noting(options.selection),
        EachRound(options.fusion),
        options=options,
        wiring=Wiring(folder / "run", events),
    )


def poor(pool: Path, folder: Path, score: int = 10_000) -> Institutions:
    """Return institutions whose budgets end among the rounds, each at another place."""
    budgets = {"even": 100, "high": 150, "low": 10_000}
    policies = {
        name: {"budget": {"predict": budgets[name], "score": score, "saliency": 0}} for name in IDS
    }
    return Institutions(pool, nodes=3, folder=folder / "offices", policies=policies)


def _phase(name: str, round_: int) -> Dies:
    return lambda event, fields: event == "phase" and fields == {"phase": name, "round": round_}


@pytest.mark.parametrize(
    "dies",
    [_phase("query", 1), _phase("fusion", 1), _phase("fusion", 2), _phase("saliency", 3)],
    ids=["with-evidence", "with-answers", "with-answers-of-a-later-round", "between-rounds"],
)
def test_what_is_left_is_parted_as_if_the_run_was_never_killed(
    problem: Problem, pool: Path, tmp_path: Path, dies: Dies
) -> None:
    whole, grid = put_together(problem, tmp_path / "whole", Events()), poor(pool, tmp_path / "w")
    whole.start(grid, num_rounds=ROUNDS)
    again = poor(pool, tmp_path / "k")
    with pytest.raises(Stop):
        put_together(problem, tmp_path, Events(dies)).start(again, num_rounds=ROUNDS)
    resumed = put_together(problem, tmp_path, Events())
    resumed.start(again, num_rounds=ROUNDS)
    _same(resumed, whole)


@pytest.mark.parametrize("lost", [1, 2, 4])
def test_what_was_charged_but_never_came_is_asked_again(
    problem: Problem,
    pool: Path,
    tmp_path: Path,
    lost: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The institutions answered, and the run was killed before a reply was kept."""
    whole, grid = put_together(problem, tmp_path / "whole", Events()), poor(pool, tmp_path / "w")
    whole.start(grid, num_rounds=ROUNDS)
    again, killed = poor(pool, tmp_path / "k"), put_together(problem, tmp_path, Events())
    keep, turn = killed.inquiry.keep, 0

    def dying(sent: Any, replies: Any) -> None:
        nonlocal turn
        turn += 1
        if turn == lost:
            raise Stop
        keep(sent, replies)

    monkeypatch.setattr(killed.inquiry, "keep", dying)
    with pytest.raises(Stop):
        killed.start(again, num_rounds=ROUNDS)
    resumed = put_together(problem, tmp_path, Events())
    resumed.start(again, num_rounds=ROUNDS)
    _same(resumed, whole)


def test_a_look_that_was_paid_for_is_asked_again_after_a_kill(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    rich = poor(pool, tmp_path / "r")
    terms = rich.guard("high").card_for("us").terms
    assert terms is not None
    price = terms.cost(scenario().saliency.method)
    assert price > 1
    # The maps once, and one item each for what is asked of them after that.
    grid = poor(pool, tmp_path / "k", score=PROBE * price + ROUNDS * PROBE)
    with pytest.raises(Stop):
        dies = _phase("fusion", 1)
        put_together(problem, tmp_path, Events(dies)).start(grid, num_rounds=ROUNDS)
    resumed = put_together(problem, tmp_path, Events())
    resumed.start(grid, num_rounds=ROUNDS)
    assert resumed.selector.looked == dict.fromkeys((1, 2, 3), IDS)  # type: ignore[attr-defined]


def test_a_plan_is_of_one_round_and_outlives_the_process(tmp_path: Path) -> None:
    plan = Plan(tmp_path / "plan")
    plan.begin(1)
    assert plan.items("round", "high") is None
    plan.put("round", {"high": np.array([7, 3], dtype=np.int32)})
    plan.pay("high", "score", "occlusion")
    later = Plan(tmp_path / "plan")
    later.begin(1)
    found = later.items("round", "high")
    assert found is not None and found.tolist() == [7, 3] and found.dtype == np.int32
    assert later.items("evidence", "high") is None and later.items("round", "low") is None
    later.begin(2)
    assert later.items("round", "high") is None
    assert later.paid == {("high", "score", "occlusion")}


def _same(resumed: Counted, whole: Counted) -> None:
    assert resumed.used == {round_: whole.used[round_] for round_ in resumed.used}
    assert equal(resumed.memory.marks, whole.memory.marks)
    assert equal(state(resumed), state(whole))
    assert resumed.memory.history == whole.memory.history
    assert whole.used[ROUNDS] == {"even": 100, "high": 150, "low": 240}
