"""A deadline a round: who is late holds nobody, and what it answers is kept for the next round."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Message

from fedsa.messages import Failure, Predict, to_record
from fedsa.messages.failures import sentence_of
from fedsa.problem import Problem
from fedsa.strategy import AllTeachersGone, Amalgamation
from tests.strategy.conftest import CLOCK, FIRST_NODE, LocalGrid, scenario
from tests.strategy.harness import IDS, Events, Reference, equal, make, state

DEADLINE, TIMEOUT = 10.0, 200.0


def slow(seconds: float, from_question: int = 0) -> Callable[[Message], float]:
    """Make the second node, where 'high' sits alone, slow about answers from one of them on."""
    seen = 0

    def delay(message: Message) -> float:
        nonlocal seen
        high = message.metadata.dst_node_id == FIRST_NODE + 1
        if not high or message.metadata.message_type != "query.predict":
            return 0.0
        seen += 1
        return seconds if seen > from_question else 0.0

    return delay


def run(
    problem: Problem,
    folder: Path,
    grid: LocalGrid,
    rounds: int = 2,
    pause: float = 0.0,
    note: Callable[[str], None] = lambda event: None,
) -> tuple[Amalgamation, Events]:
    """Run with a deadline; training takes ``pause`` seconds a round by the tests' clock."""
    federation = {"timeout": TIMEOUT, "round-deadline": DEADLINE}
    options, events = scenario(student={"steps": 20}, federation=federation), Events()
    strategy = make(problem, folder, events, options)

    def observe(event: str, **fields: Any) -> None:
        events(event, **fields)
        note(event)
        if event == "round":
            CLOCK.sleep(pause)

    strategy.observe = observe
    strategy.start(grid, num_rounds=rounds)
    return strategy, events


def asked_high(grid: LocalGrid) -> list[set[int]]:
    """Return the items of each question about answers that 'high' was asked."""
    asked = [one for one in grid.sent if isinstance(one, Predict) and one.teacher == "high"]
    return [set(one.indices.tolist()) for one in asked]


def test_when_the_last_reply_is_there_the_round_goes_on_at_once(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    begin = CLOCK.time
    run(problem, tmp_path, LocalGrid(pool, delay=slow(3.0)))
    # Three batches of questions about answers, each as long as its slowest reply.
    assert 9.0 <= CLOCK.time - begin < 9.0 + 3 * 1.0 + 1.0


def test_a_late_answer_is_kept_for_the_next_round(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    grid = LocalGrid(pool, delay=slow(30.0, from_question=1))
    begin = CLOCK.time
    strategy, events = run(problem, tmp_path, grid, pause=25.0)
    # It was late in the first round, whose answers came before the second; then it was late again.
    assert [f["teacher"] for f in events.of("failure")] == ["high", "high"]
    assert events.of("late-answers") == [{"teacher": "high", "items": 56}]
    first, second, third = asked_high(grid)
    assert (len(first), len(second), len(third)) == (64, 56, 120)
    assert not (first & second or second & third or first & third)
    assert int(strategy.memory.marks["high"].sum()) == 120
    # 120 answers, and two comparisons of looks on ten items.
    assert strategy.memory.accounts["high"].queries == 140
    assert [entry["selected"] for entry in strategy.memory.history] == [IDS, IDS]
    assert CLOCK.time - begin <= 2 * (DEADLINE + 25.0) + 1.0


def test_a_late_look_is_paid_for_though_nothing_is_compared_with_it(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    grid, seen = LocalGrid(pool), 0

    def delay(message: Message) -> float:
        nonlocal seen
        high = message.metadata.dst_node_id == FIRST_NODE + 1
        seen += (look := high and message.metadata.message_type == "query.score")
        return 30.0 if look and seen == 1 else 0.0

    grid.delay = delay
    strategy, events = run(problem, tmp_path, grid, pause=25.0)
    assert [f["teacher"] for f in events.of("failure")] == ["high"] and seen == 2
    # Two comparisons of looks on ten items, the first of them in vain.
    answers = int(strategy.memory.marks["high"].sum())
    assert answers > 0 and strategy.memory.accounts["high"].queries == answers + 2 * 10


@pytest.mark.parametrize(("federation", "late"), [({}, 0), ({"round-deadline": 250.0}, 1)])
def test_without_a_deadline_replies_are_waited_for_while_they_come(
    problem: Problem, pool: Path, tmp_path: Path, federation: dict[str, float], late: int
) -> None:
    """The second node takes 300 s, longer than a question's 200; but the first replies at 150."""
    grid, events = LocalGrid(pool), Events()

    def delay(asked: Message) -> float:
        slower = asked.metadata.dst_node_id == FIRST_NODE + 1
        return (300.0 if slower else 150.0) * (asked.metadata.message_type == "query.predict")

    grid.delay = delay
    options = scenario(student={"steps": 20}, federation={"timeout": TIMEOUT} | federation)
    make(problem, tmp_path, events, options).start(grid, num_rounds=1)
    assert len([f for f in events.of("failure") if f["teacher"] == "high"]) == late


def test_who_owes_a_reply_is_not_asked_again(problem: Problem, pool: Path, tmp_path: Path) -> None:
    grid = LocalGrid(pool, delay=slow(100.0, from_question=1))
    strategy, events = run(problem, tmp_path, grid, rounds=3, pause=10.0)
    assert [len(asked) for asked in asked_high(grid)] == [64, 56]
    # Late once, and not asked about anything else since: not about looks either.
    assert [f["teacher"] for f in events.of("failure")] == ["high"]
    assert len([t for t in grid.asked if t == "query.score"]) == 3 + 2 + 2
    assert int(strategy.memory.marks["high"].sum()) == 64


def test_a_question_that_is_lost_is_put_again(problem: Problem, pool: Path, tmp_path: Path) -> None:
    grid = LocalGrid(pool, delay=slow(2 * TIMEOUT, from_question=1))
    run(problem, tmp_path, grid, pause=TIMEOUT)
    first, second, third = asked_high(grid)
    assert second < third and len(third) == 240 - len(first)


def test_when_all_are_late_at_first_the_first_to_come_is_waited_for(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    grid = LocalGrid(pool)
    grid.delay = lambda asked: 60.0 if asked.metadata.message_type == "query.predict" else 0.0
    strategy, _ = run(problem, tmp_path, grid, rounds=1)
    assert strategy.memory.history[0]["selected"] == IDS


def test_who_is_late_is_waited_for_when_all_others_fail(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    """In the second round two institutions cannot write; the third still owes its first reply."""
    storage, round_ = to_record(Failure("storage", sentence_of("storage"))), 1

    def fault(asked: Message, reply: Message) -> Message:
        high = asked.metadata.dst_node_id == FIRST_NODE + 1
        return reply if high or round_ == 1 else Message(storage, reply_to=asked)

    def note(event: str) -> None:
        nonlocal round_
        round_ += event == "round"

    grid = LocalGrid(pool, delay=slow(60.0, from_question=1), fault=fault)
    strategy, events = run(problem, tmp_path, grid, note=note)
    assert {f["code"] for f in events.of("failure")} == {"late", "storage"}
    assert events.of("late-answers") == [{"teacher": "high", "items": 56}]
    # It came while it was waited for, and was asked about the rest in the same round.
    assert [len(asked) for asked in asked_high(grid)] == [64, 56, 120]
    assert strategy.memory.round == 2


def test_a_round_whose_answers_are_all_late_goes_on_with_those_of_before(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    federation = {"timeout": TIMEOUT, "round-deadline": DEADLINE}
    options = scenario(student={"steps": 20}, federation=federation, selection={"every": 2})
    events, grid = Events(), LocalGrid(pool)
    grid.delay = lambda asked: 50.0 if events.of("round") else 0.0
    strategy = make(problem, tmp_path, events, options)
    strategy.start(grid, num_rounds=2)
    assert {f["code"] for f in events.of("failure")} == {"late"}
    assert [entry["selected"] for entry in strategy.memory.history] == [IDS, IDS]
    assert {int(marks.sum()) for marks in strategy.memory.marks.values()} == {120}


def test_nobody_is_waited_for_without_end(problem: Problem, pool: Path, tmp_path: Path) -> None:
    grid = LocalGrid(pool)
    grid.delay = lambda asked: 1e9 if asked.metadata.message_type == "query.predict" else 0.0
    begin = CLOCK.time
    with pytest.raises(AllTeachersGone, match="No teacher answered"):
        run(problem, tmp_path, grid, rounds=1)
    assert CLOCK.time - begin < TIMEOUT + 2.0


def test_replies_that_take_their_time_change_nothing(
    reference: Reference, problem: Problem, pool: Path, tmp_path: Path
) -> None:
    from tests.strategy.harness import default

    strategy = default(problem, tmp_path)
    strategy.start(LocalGrid(pool, shuffle=2, delay=slow(100.0)), num_rounds=2)
    assert equal(state(strategy), state(reference.strategy))
    assert strategy.memory.accounts == reference.strategy.memory.accounts
