"""The answer store gives back what was put in, and knows what it lacks."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsa.errors import ResumeError
from fedsa.messages import CompactAnswers, answers
from fedsa.runs.answers import AnswerStore

ITEMS = 12


def rows(count: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(width), count).astype(np.float32)


def indices(*items: int) -> np.ndarray:
    return np.array(items, dtype=np.int32)


def test_names_are_kept_where_they_fit(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path, ITEMS)
    for teacher, names in {"told": ["cat", "dog"], "none": None, "short": ["cat"]}.items():
        for part in (indices(0, 2), indices(1)):
            store.add(teacher, part, CompactAnswers.encode(rows(len(part), 2, 0)), names)
    again = AnswerStore(tmp_path, ITEMS).dense()
    assert again.names == {"told": ("cat", "dog")}
    marks = dict.fromkeys(again, torch.ones(ITEMS))
    assert again.among(marks).names == again.of(["told", "none"]).names == again.names
    assert again.of(["none"]).names == {}


batches = st.lists(
    st.tuples(
        st.sampled_from(["a", "b.c", "d"]),
        st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=ITEMS, unique=True),
        st.integers(0, 99),
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(batches, st.lists(st.integers(0, ITEMS - 1), unique=True))
def test_a_store_is_a_table_of_the_last_answers(
    added: list[tuple[str, list[int], int]], wanted: list[int]
) -> None:
    widths = {"a": 2, "b.c": 3, "d": 7}
    expected: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = AnswerStore(Path(folder), ITEMS)
        for name, items, seed in added:
            answers = CompactAnswers.encode(rows(len(items), widths[name], seed))
            store.add(name, indices(*items), answers)
            table = expected.setdefault(name, np.full((ITEMS, widths[name]), np.nan, np.float32))
            table[items] = answers.dense()
        store = AnswerStore(Path(folder), ITEMS)  # a second process sees the same
        assert store.teachers() == sorted(expected)
        found = store.dense()
        assert list(found) == sorted(expected)
        for name, table in expected.items():
            np.testing.assert_array_equal(found[name].numpy(), table)
            known = ~np.isnan(table[:, 0])
            np.testing.assert_array_equal(store.asked(name), known)
            missing = store.missing(name, indices(*wanted))
            assert missing.tolist() == [item for item in wanted if not known[item]]
            assert store.width(name) == widths[name]
        assert store.missing("nobody", indices(*wanted)).tolist() == wanted


def test_answers_may_be_shown_on_some_items_only(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "answers", 4)
    store.add("a", indices(0, 2), CompactAnswers.encode(rows(2, 3, 0), "float16"))
    shown = np.array([True, True, False, False])
    found = store.dense(shown)
    assert found.asked("a").tolist() == [True, False, False, False]
    assert shown.tolist() == [True, True, False, False]
    assert store.asked("a").tolist() == [True, False, True, False]
    nothing = store.dense(np.zeros(4, dtype=np.bool_))
    assert bool(torch.isnan(nothing["a"]).all()) and nothing["a"].shape == (4, 3)


def test_more_answers_than_one_message_may_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, all_ = AnswerStore(tmp_path, ITEMS), rows(ITEMS, 3, 0)
    monkeypatch.setattr(answers, "MAX_REPLY_BYTES", 5 * 3)
    for start in range(0, ITEMS, 4):
        part = np.arange(start, start + 4, dtype=np.int32)
        store.add("a", part, CompactAnswers.encode(all_[part]))
    found = store.dense()["a"]
    for start in range(0, ITEMS, 4):
        one = CompactAnswers.encode(all_[start : start + 4])
        assert np.array_equal(found[start : start + 4], one.dense())


def test_a_teacher_cannot_change_its_width_or_form(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path, 4)
    store.add("a", indices(0), CompactAnswers.encode(rows(1, 3, 0)))
    for other in (
        CompactAnswers.encode(rows(1, 4, 0)),
        CompactAnswers.encode(rows(1, 3, 0), "float16"),
    ):
        with pytest.raises(ResumeError, match="'a' answered with 3 classes as uint8 before"):
            store.add("a", indices(1), other)
    assert store.asked("a").tolist() == [True, False, False, False]


def test_a_kill_before_the_values_were_written_loses_only_them(tmp_path: Path) -> None:
    """Marks come last: what is not marked is asked again."""
    store = AnswerStore(tmp_path, 4)
    answers = CompactAnswers.encode(rows(2, 3, 0))
    store.add("a", indices(0, 1), answers)
    (tmp_path / "a.json").unlink()  # as if killed while the files were made
    again = AnswerStore(tmp_path, 4)
    assert again.teachers() == []
    again.add("a", indices(3), CompactAnswers.encode(rows(1, 3, 1)))
    assert again.asked("a").tolist() == [False, False, False, True]


def test_a_pickle_in_the_store_is_not_loaded(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path, 2)
    np.save(tmp_path / "a.marks.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        store.asked("a")


def test_the_room_for_a_teachers_answers_is_taken_before_the_first_is_kept(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path, 100_000)
    store.add("mint", indices(7), CompactAnswers.encode(rows(1, 8, 0)))
    about = (tmp_path / "mint.values.npy").stat()
    assert about.st_blocks * 512 >= 100_000 * 8  # a file with holes could not be written to later
