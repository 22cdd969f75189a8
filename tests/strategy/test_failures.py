"""Replies that are missing, late or wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flwr.app import Error, Message, RecordDict

from fedsa.messages import Scored, to_record
from fedsa.problem import Problem
from fedsa.strategy import AllTeachersGone
from tests.strategy.conftest import FIRST_NODE, LocalGrid, scenario
from tests.strategy.harness import (
    IDS,
    Events,
    make,
)

SECRET = "/srv/hospital/weights.safetensors"


def _to_high(asked: Message) -> bool:
    """Tell questions to the second node, where 'high' sits alone, about answers."""
    return (
        asked.metadata.dst_node_id == FIRST_NODE + 1
        and asked.metadata.message_type == "query.predict"
    )


def _late(asked: Message, reply: Message) -> Message | None:
    return None if _to_high(asked) else reply


def _failed(asked: Message, reply: Message) -> Message | None:
    return (
        Message(Error(2, reason=f"OSError: {SECRET}"), reply_to=asked) if _to_high(asked) else reply
    )


def _unapproved(asked: Message, reply: Message) -> Message | None:
    return Message(Error(7, reason=SECRET), reply_to=asked) if _to_high(asked) else reply


def _other_kind(asked: Message, reply: Message) -> Message | None:
    return Message(to_record(Scored(0.5)), reply_to=asked) if _to_high(asked) else reply


def _empty(asked: Message, reply: Message) -> Message | None:
    return Message(RecordDict(), reply_to=asked) if _to_high(asked) else reply


def _not_a_number(asked: Message, reply: Message) -> Message | None:
    if _to_high(asked):
        array = reply.content.array_records["arrays"]["answers"]
        assert array.dtype == "float16"
        array.data = b"\x00\x7e" + array.data[2:]  # a NaN
    return reply


def _too_few(asked: Message, reply: Message) -> Message | None:
    if _to_high(asked):
        array = reply.content.array_records["arrays"]["answers"]
        rows, width = array.shape
        array.shape, array.data = (rows - 1, width), array.data[: -2 * width]
    return reply


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (_late, "late"),
        (_failed, "lost"),
        (_unapproved, "bundle"),
        (_other_kind, "malformed"),
        (_empty, "malformed"),
        (_not_a_number, "malformed"),
        (_too_few, "malformed"),
    ],
)
def test_a_teacher_that_fails_is_done_without(
    problem: Problem, pool: Path, tmp_path: Path, fault: Any, code: str
) -> None:
    options = scenario(federation={"answer-form": "float16"}, student={"steps": 20})
    events = Events()
    strategy = make(problem, tmp_path, events, options)
    strategy.start(LocalGrid(pool, fault=fault), num_rounds=1)
    assert {(f["teacher"], f["code"]) for f in events.of("failure")} == {("high", code)}
    assert SECRET not in repr(events.seen)
    assert strategy.memory.history[0]["selected"] == ["even", "low"]
    assert "high" not in strategy.inquiry.store.teachers()


def test_one_bad_reply_after_selection_takes_the_teacher_out_of_the_round_only(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    """It keeps the answers it gave before, which still count."""
    events, grid = Events(), LocalGrid(pool)
    grid.fault = lambda asked, reply: (
        None if _to_high(asked) and grid.asked.count("query.predict") > 3 else reply
    )
    strategy = make(problem, tmp_path, events, scenario(student={"steps": 20}))
    strategy.start(grid, num_rounds=1)
    assert [f["code"] for f in events.of("failure")] == ["late"]
    assert strategy.memory.history[0]["selected"] == IDS
    marks = {name: int(marks.sum()) for name, marks in strategy.memory.marks.items()}
    assert marks == {"even": 240, "high": 64, "low": 240}


def test_when_no_selected_teacher_answers_the_run_stops(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    def nothing(asked: Message, reply: Message) -> Message | None:
        return None if asked.metadata.message_type == "query.predict" else reply

    strategy = make(problem, tmp_path, options=scenario(student={"steps": 8}))
    with pytest.raises(AllTeachersGone, match="No teacher answered"):
        strategy.start(LocalGrid(pool, fault=nothing), num_rounds=1)
    assert strategy.checkpoints.latest() is None


def test_when_no_question_is_answered_any_more_the_teachers_are_gone(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    events, silent = Events(), False

    def fault(question: Message, reply: Message) -> Message | None:
        return None if silent else reply

    def observe(event: str, **fields: Any) -> None:
        nonlocal silent
        silent = silent or event == "round"
        events(event, **fields)

    options = scenario(student={"steps": 8})
    strategy = make(problem, tmp_path, options=options)
    strategy.observe = observe
    with pytest.raises(AllTeachersGone, match="any question of round 2"):
        strategy.start(LocalGrid(pool, fault=fault), num_rounds=3)
    assert strategy.memory.round == 1 and strategy.student is not None
