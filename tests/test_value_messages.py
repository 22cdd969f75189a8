"""Answers that are values, from the teacher to the answer store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedsa.errors import ResumeError
from fedsa.messages import CompactAnswers, MessageError, Predict, Predicted, check_reply
from fedsa.messages.records import reply_from, to_record
from fedsa.runs.answers import AnswerStore
from fedsa.teacher.gateway.replies import read_reply, write_reply

ROWS = np.random.default_rng(0).random((5, 3)).astype(np.float32)
ASKED = Predict("mint", "0" * 64, np.arange(5))


@pytest.mark.parametrize(("form", "error"), [("uint8", 0.004), ("float16", 2.0**-11)])
def test_values_come_back_as_they_were(form: str, error: float) -> None:
    """Also over both wires; rows that sum to anything."""
    reply = Predicted(CompactAnswers.encode(ROWS, form, "values"))
    asked = Predict("mint", "0" * 64, np.arange(5), form)
    for found in (
        reply,
        reply_from(to_record(reply), asked, 3, "values"),
        read_reply(asked, write_reply(reply)),
    ):
        assert isinstance(found, Predicted) and found.answers.kind == "values"
        assert np.abs(found.answers.dense() - ROWS).max() <= error


def test_one_value_is_enough() -> None:
    assert CompactAnswers.encode(ROWS[:, :1], "uint8", "values").dense().shape == (5, 1)


@pytest.mark.parametrize(
    "values",
    [
        np.array([[np.nan, 1.0]], dtype=np.float16),
        np.array([[1.5, 0.2]], dtype=np.float16),
        np.array([[-0.5, 0.2]], dtype=np.float16),
        np.ones((0, 2), dtype=np.float16),
    ],
)
def test_what_is_no_value_is_refused(values: np.ndarray) -> None:
    with pytest.raises(MessageError):
        CompactAnswers(values, "values")


def test_values_beyond_one_and_other_kinds_are_not_encoded() -> None:
    with pytest.raises(MessageError, match="from 0 to 1"):
        CompactAnswers.encode(np.array([[1.2]], np.float32), "uint8", "values")
    with pytest.raises(MessageError, match="kind"):
        CompactAnswers.encode(ROWS, "uint8", "logits")


@pytest.mark.parametrize(("promised", "rows"), [("values", [[0.4, 0.6]]), ("distributions", None)])
def test_a_teacher_that_answers_otherwise_than_its_card_says_is_refused(
    promised: str, rows: list[list[float]] | None
) -> None:
    """Even where the numbers would pass as both."""
    kind = "distributions" if promised == "values" else "values"
    given = CompactAnswers.encode(np.array(rows or [[0.4, 0.6]], np.float32), "uint8", kind)
    with pytest.raises(MessageError, match="another kind"):
        check_reply(Predict("mint", "0" * 64, np.array([0])), Predicted(given), 2, promised)


def test_parts_of_two_kinds_do_not_make_one_reply() -> None:
    whole = [
        next(write_reply(Predicted(CompactAnswers.encode(rows, "uint8", kind))))
        for rows, kind in ((np.eye(2, 3, dtype=np.float32), "distributions"), (ROWS[:3], "values"))
    ]
    with pytest.raises(MessageError, match="do not fit each other"):
        read_reply(ASKED, iter(whole))


def test_the_store_keeps_what_an_answer_is(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path, 5)
    store.add("v", np.array([0, 3], np.int32), CompactAnswers.encode(ROWS[[0, 3]], kind="values"))
    rows = np.array([[0.5, 0.5]], np.float32)
    store.add("d", np.array([1], np.int32), CompactAnswers.encode(rows))
    found = AnswerStore(tmp_path, 5).dense()
    assert found.graded == {"v"}
    assert np.abs(found["v"][[0, 3]].numpy() - ROWS[[0, 3]]).max() < 0.004
    assert found.asked("v").tolist() == [True, False, False, True, False]
    assert found.among({"v": found.asked("v")}).graded == {"v"}
    with pytest.raises(ResumeError):
        store.add("d", np.array([2], np.int32), CompactAnswers.encode(rows, kind="values"))
