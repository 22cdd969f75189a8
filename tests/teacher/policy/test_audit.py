"""The audit log: whatever is done to the file shows."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsa.errors import TeacherFileError
from fedsa.teacher.policy import audit, log
from fedsa.teacher.policy.office import Office
from tests.teacher.policy.conftest import NOON, Clock

RECORDS = 12


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder whose records are all in the file alone, as after long use."""
    folder = tmp_path_factory.mktemp("audit") / "state"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "KEPT", 1)
        office = Office(folder, Clock(NOON))
        for k in range(RECORDS // 2):
            record = {"caller": "north", "teacher": "mint", "call": "predict", "question": str(k)}
            with office.ledger.purse("north", "mint", "predict") as purse:
                assert office.charge(k + 1, 100, "ever", 0, purse, **record)
            office.record("reply", **record, outcome="answered", charged=k + 1)
        office.close()
    _settle(folder)
    assert audit.verify(folder) == []
    yield folder


def _settle(folder: Path) -> None:
    """Let the ledger forget what is in the file."""
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as db, db:
        db.execute("DELETE FROM pending")


def _faults(written: Path, change: Callable[[bytes], bytes]) -> list[str]:
    path = written / "audit.jsonl"
    before = path.read_bytes()
    try:
        path.write_bytes(change(before))
        return audit.verify(written)
    finally:
        path.write_bytes(before)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_every_changed_byte_is_found(written: Path, data: st.DataObject) -> None:
    size = (written / "audit.jsonl").stat().st_size
    place = data.draw(st.integers(0, size - 1))
    flip = data.draw(st.integers(1, 255))

    def change(text: bytes) -> bytes:
        return text[:place] + bytes([text[place] ^ flip]) + text[place + 1 :]

    assert _faults(written, change)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_every_cut_is_found(written: Path, data: st.DataObject) -> None:
    size = (written / "audit.jsonl").stat().st_size
    start = data.draw(st.integers(0, size - 1))
    stop = data.draw(st.one_of(st.just(size), st.integers(start + 1, size)))
    assert _faults(written, lambda text: text[:start] + text[stop:])


@settings(max_examples=100, deadline=None)
@given(place=st.integers(0, 6000), more=st.binary(min_size=1, max_size=40))
def test_everything_put_in_is_found(written: Path, place: int, more: bytes) -> None:
    assert _faults(written, lambda text: text[:place] + more + text[place:])


@given(order=st.permutations(range(RECORDS)))
def test_lines_in_another_order_are_found(written: Path, order: list[int]) -> None:
    def change(text: bytes) -> bytes:
        lines = text.splitlines(keepends=True)
        return b"".join(lines[k] for k in order)

    assert bool(_faults(written, change)) == (list(order) != sorted(order))


@pytest.mark.parametrize("line", range(RECORDS))
def test_a_missing_or_doubled_line_is_found(written: Path, line: int) -> None:
    def without(text: bytes) -> bytes:
        lines = text.splitlines(keepends=True)
        return b"".join(lines[:line] + lines[line + 1 :])

    def twice(text: bytes) -> bytes:
        lines = text.splitlines(keepends=True)
        return b"".join(lines[: line + 1] + lines[line:])

    assert _faults(written, without) and _faults(written, twice)


def test_a_ledger_that_says_something_else_is_found(written: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(written, tmp_path / "copy")
    with closing(sqlite3.connect(copy / "ledger.sqlite")) as db, db:
        db.execute("UPDATE spent SET items = items - 5")
    (fault,) = audit.verify(copy)
    assert "north spent 16 items of predict at mint on 2026-02-14; the log says 21" in fault


def test_an_approval_that_only_one_of_them_knows_is_found(office: Office) -> None:
    for name in ("a" * 64, "b" * 64, "c" * 64):
        office.approve(name)
    office.revoke("b" * 64)
    assert audit.verify(office.folder) == []
    with closing(sqlite3.connect(office.folder / "ledger.sqlite")) as db, db:
        db.execute("UPDATE approved SET set_hash = ? WHERE set_hash = ?", ("b" * 64, "a" * 64))
    assert audit.verify(office.folder) == [
        f"Set {'a' * 64} is approved in the log, and not in the ledger.",
        f"Set {'b' * 64} is approved in the ledger, and not in the log.",
    ]


def test_a_whole_folder_written_anew_is_found_by_a_noted_head(
    written: Path, tmp_path: Path
) -> None:
    noted = audit.head(written)
    assert audit.verify(written, noted) == []
    forged = Office(tmp_path / "forged", Clock(NOON))
    for _ in range(RECORDS):
        forged.record("reply", outcome="answered")
    forged.close()
    assert audit.verify(tmp_path / "forged") == []
    assert audit.verify(tmp_path / "forged", noted)
    assert audit.verify(written, (RECORDS + 1, noted[1])) == [
        f"The log ends before record {RECORDS + 1}, which was noted."
    ]


def test_what_is_shown_is_what_was_recorded(written: Path) -> None:
    shown = list(audit.show(written))
    assert [record["n"] for record in shown] == list(range(1, RECORDS + 1))
    assert sum(record["charged"] for record in shown if record["event"] == "charge") == 21
    assert shown[0]["time"] == "2026-02-14T12:00:00.000+00:00"


def test_records_that_are_not_in_the_file_yet_are_shown_and_are_no_fault(office: Office) -> None:
    for k in range(5):
        office.record("note", k=k)
    path = office.folder / "audit.jsonl"
    text = path.read_bytes()
    for cut in (1, 30, 200, len(text) // 2, len(text)):
        path.write_bytes(text[:-cut])
        assert audit.verify(office.folder) == []
    assert [record["k"] for record in audit.show(office.folder)] == list(range(5))


def test_a_folder_without_records_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(TeacherFileError, match="no log"):
        audit.verify(tmp_path)
    (tmp_path / "audit.jsonl").touch()
    with pytest.raises(TeacherFileError, match="ledger"):
        audit.verify(tmp_path)
    with pytest.raises(TeacherFileError, match="ledger"):
        list(audit.show(tmp_path))


def test_verifying_while_it_is_written(office: Office) -> None:
    import threading

    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            office.ledger.debit("c", "t", "x", 0, 1, "ever", NOON)
            office.record("note")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = [audit.verify(office.folder) for _ in range(20)]
    finally:
        stop.set()
        writer.join()
    assert found == [[]] * 20
