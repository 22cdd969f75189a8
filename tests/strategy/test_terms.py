"""Rounds within the terms of real guards: nothing is asked that a budget does not hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flwr.app import Message

from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.messages import Describe, Failure, Offer, Predict, Score, to_record
from fedsa.messages.failures import sentence_of
from fedsa.problem import Problem
from fedsa.selection.evidence import EvidenceSelector
from fedsa.strategy import AllTeachersGone, Amalgamation, aside, exchange
from tests.strategy.conftest import CLOCK, FIRST_NODE, LocalGrid, scenario
from tests.strategy.harness import IDS, Events, Reference, equal, make, state
from tests.strategy.institutions import Institutions

LABELLED, RESPONSE, ITEMS, PROBE = 24, 64, 240, 10
RICH = {"predict": 10_000, "score": 100_000, "saliency": 100_000}


def run(
    problem: Problem,
    grid: LocalGrid,
    folder: Path,
    rounds: int = 2,
    ahead: bool | None = None,
    steps: int = 20,
) -> tuple[Amalgamation, Events]:
    federation = {} if ahead is None else {"ahead": ahead}
    options, events = scenario(student={"steps": steps}, federation=federation), Events()
    strategy = make(
        problem,
        folder / "run",
        events,
        options,
        selector=EvidenceSelector(options.selection),
        fusion=PrototypeFusion(options.fusion),
    )
    strategy.start(grid, num_rounds=rounds)
    return strategy, events


def grid_of(pool: Path, folder: Path, **policies: dict[str, Any]) -> Institutions:
    return Institutions(pool, nodes=3, folder=folder / "offices", policies=policies)


def spent(grid: Institutions, name: str, call: str) -> int:
    """Return what the institution's own ledger says."""
    terms = grid.guard(name).card_for("us").terms
    assert terms is not None
    return sum(limit.items - limit.left for limit in terms.limits if limit.call == call)


def test_rich_institutions_teach_the_very_student_of_the_simulation(
    reference: Reference, problem: Problem, pool: Path, tmp_path: Path
) -> None:
    """Whether or not later items are asked ahead: they count when they were planned."""
    for ahead in (None, False):
        folder = tmp_path / str(ahead)
        grid = grid_of(pool, folder, **{name: {"budget": RICH} for name in IDS})
        strategy, events = run(problem, grid, folder, ahead=ahead, steps=60)
        assert equal(state(strategy), state(reference.strategy))
        assert strategy.memory.accounts == reference.strategy.memory.accounts
        assert not events.of("failure") and not events.of("limit")
        for name in IDS:
            used = int(strategy.memory.marks[name].sum())
            assert spent(grid, name, "predict") == used + aside.unused(strategy)[name]
        questions = [len(grid.asked_of(name, Predict)) for name in IDS]
        # Asked ahead there is one question for the evidence and one for all the rounds.
        assert max(questions) == (2 if ahead is None else 3)
        assert grid.asked.count("query.describe") == 3  # nothing speaks against the cards


def test_a_small_budget_goes_to_the_evidence_first_and_then_evenly(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    grid = grid_of(pool, tmp_path, high={"budget": {**RICH, "predict": 100}})
    strategy, events = run(problem, grid, tmp_path)
    assert not events.of("failure")  # nothing was asked in vain
    sizes = [len(one.indices) for one in grid.asked_of("high", Predict)]
    assert sizes == [RESPONSE, 18, 18] and spent(grid, "high", "predict") == 100
    order = strategy.inquiry.order
    marks = strategy.memory.marks["high"].numpy()
    assert marks[order[: RESPONSE + 18]].all() and marks.sum() == 100
    assert strategy.memory.history[-1]["weights"]["high"] > 0
    limits = [(f["teacher"], f["call"], f["left"]) for f in events.of("limit")]
    assert limits == [("high", "predict", 36), ("high", "predict", 18)]


@pytest.mark.parametrize("budget", [0, 5, LABELLED, 50])
def test_no_budget_is_too_small_to_go_on_with(
    problem: Problem, pool: Path, tmp_path: Path, budget: int
) -> None:
    grid = grid_of(pool, tmp_path, high={"budget": {**RICH, "predict": budget}})
    strategy, events = run(problem, grid, tmp_path)
    assert not events.of("failure")
    assert spent(grid, "high", "predict") == budget
    assert strategy.memory.round == 2
    if budget:  # the labelled items come first, and the question does not tell which they are
        (asked, *_) = grid.asked_of("high", Predict)
        first = strategy.inquiry.order[:budget]
        assert sorted(first) == asked.indices.tolist()


def test_without_looks_a_teacher_is_chosen_by_its_answers(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    shut = {"calls": ["predict"], "budget": RICH}
    grid = grid_of(pool, tmp_path, high=shut)
    strategy, events = run(problem, grid, tmp_path)
    assert not grid.asked_of("high", Score) and not events.of("failure")
    chosen = events.of("selection")[0]
    assert "saliency" not in chosen["evidence"]["high"]
    assert chosen["weights"]["high"] > 0.1
    # The looks of the others are charged by what a map costs.
    assert {f["call"] for f in events.of("limit")} == {"score"}
    assert sorted(aside.looks(strategy, grid, problem.probe[:2])) == ["even", "low"]


def test_looks_are_asked_as_long_as_the_budget_holds(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    grid = grid_of(pool, tmp_path, high={"budget": RICH})
    cost = grid.guard("high").card_for("us").terms.cost("occlusion")  # type: ignore[union-attr]
    assert cost > 1  # a map by perturbation is charged as its forward passes
    # Enough for the first maps and one more comparison with them.
    grid = grid_of(pool, tmp_path / "b", high={"budget": {**RICH, "score": (cost + 1) * PROBE + 3}})
    _, events = run(problem, grid, tmp_path / "b", rounds=3)
    assert len(grid.asked_of("high", Score)) == 2 and not events.of("failure")
    assert spent(grid, "high", "score") == (cost + 1) * PROBE


def test_who_has_not_approved_the_set_is_offered_it_each_round(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    policy = {"any-set": False, "budget": RICH}
    grid = grid_of(pool, tmp_path, high=policy)
    events = Events()
    strategy = make(problem, tmp_path / "run", events, scenario(student={"steps": 20}))

    def observe(event: str, **fields: Any) -> None:
        events(event, **fields)
        if event == "round" and fields["round"] == 1:
            office = grid.guard("high").office
            assert office is not None
            office.approve(problem.transfer.hash)

    strategy.observe = observe
    strategy.start(grid, num_rounds=2)
    assert {(f["teacher"], f["code"]) for f in events.of("failure")} == {("high", "not-approved")}
    assert [entry["selected"] for entry in strategy.memory.history] == [["even", "low"], IDS]


def test_a_coordinator_that_is_not_heard_is_told_once(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    grid = grid_of(pool, tmp_path, high={"coordinators": ["them"], "budget": RICH})
    strategy, events = run(problem, grid, tmp_path)
    assert [(f["teacher"], f["code"]) for f in events.of("failure")] == [("high", "coordinator")]
    assert len(grid.asked_of("high", Offer)) == 1 and not grid.asked_of("high", Predict)
    assert strategy.memory.history[-1]["selected"] == ["even", "low"]


def test_a_budget_that_somebody_else_spends_is_a_fact(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    """The institution's ledger has the last word; what was answered before counts."""
    grid = grid_of(pool, tmp_path, high={"budget": {**RICH, "predict": 120}})
    other = grid_of(pool, tmp_path, high={"budget": {**RICH, "predict": 120}})
    events = Events()
    options = scenario(student={"steps": 20}, federation={"ahead": False})
    strategy = make(problem, tmp_path / "run", events, options)

    def observe(event: str, **fields: Any) -> None:
        events(event, **fields)
        if event == "phase" and fields == {"phase": "query", "round": 1}:
            # Another run of ours at the same institution, about items that this one never saw.
            run(problem, other, tmp_path / "other", rounds=1)

    strategy.observe = observe
    strategy.start(grid, num_rounds=2)
    assert {(f["teacher"], f["code"]) for f in events.of("failure")} <= {("high", "budget")}
    assert spent(grid, "high", "predict") <= 120
    assert strategy.memory.history[-1]["selected"] == IDS
    assert int(strategy.memory.marks["high"].sum()) >= RESPONSE


def test_a_teacher_that_is_starting_is_asked_again(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    starting = to_record(Failure("starting", sentence_of("starting")))
    grid = grid_of(pool, tmp_path)
    calls = 0

    def fault(asked: Message, reply: Message) -> Message:
        nonlocal calls
        if asked.metadata.message_type == "query.describe" and calls < 9:
            calls += 1
            return Message(starting, reply_to=asked)
        return reply

    grid.fault = fault
    strategy, _ = run(problem, grid, tmp_path, rounds=1)
    assert len([one for one in grid.sent if isinstance(one, Describe)]) == 12
    assert strategy.memory.history[0]["round"] == 1
    grid.fault = lambda asked, reply: Message(starting, reply_to=asked)
    with pytest.raises(AllTeachersGone, match="No teacher can be reached"):
        run(problem, grid, tmp_path / "again", rounds=1)


def test_a_card_is_read_anew_once_it_is_old_or_something_speaks_against_it(
    problem: Problem, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def described(folder: str, **policy: Any) -> int:
        grid = grid_of(pool, tmp_path / folder, high={"budget": RICH, **policy})
        run(problem, grid, tmp_path / folder, steps=2)
        return grid.asked.count("query.describe")

    assert described("rich") == 3
    assert described("dear", budget={**RICH, "score": 1}) == 3 + 1
    assert described("poor", budget={**RICH, "predict": 100}) == 3 + 1
    monkeypatch.setattr(exchange, "FRESH", -1.0)
    assert described("old") == 3 + 1


def test_a_failure_has_the_card_read_anew(problem: Problem, pool: Path, tmp_path: Path) -> None:
    grid = grid_of(pool, tmp_path, high={"budget": RICH}, low={"budget": RICH})
    storage = to_record(Failure("storage", sentence_of("storage")))
    told: list[str] = []

    def fault(asked: Message, reply: Message) -> Message:
        kind, node = asked.metadata.message_type, asked.metadata.dst_node_id
        if kind == "query.score" and node == FIRST_NODE + 1 and not told:
            told.append(kind)
            return Message(storage, reply_to=asked)
        return reply

    grid.fault = fault
    run(problem, grid, tmp_path, rounds=3, steps=2)
    assert told and grid.asked.count("query.describe") == 3 + 1


def test_an_institution_that_hangs_costs_a_round_one_deadline(
    problem: Problem, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is asked first: here its card, which is read anew each round."""
    monkeypatch.setattr(exchange, "FRESH", -1.0)
    grid = grid_of(pool, tmp_path, **{name: {"budget": RICH} for name in IDS})
    seen = 0

    def delay(message: Message) -> float:
        nonlocal seen
        hangs = message.metadata.dst_node_id == FIRST_NODE + 1
        seen += hangs and message.metadata.message_type == "query.describe"
        return 1e9 if hangs and seen > 1 else 0.0

    grid.delay = delay
    federation = {"timeout": 30.0, "round-deadline": 10.0}
    options = scenario(student={"steps": 20}, federation=federation)
    strategy = make(problem, tmp_path / "run", options=options)
    begin = CLOCK.time
    strategy.start(grid, num_rounds=3)
    assert CLOCK.time - begin <= 2 * 10.0 + 1.0
    (slow,) = (name for name, node in strategy.inquiry.exchange.nodes.items() if node == 12)
    # What it answered in the first round still counts.
    assert slow in strategy.memory.history[-1]["selected"]
