"""After kills, power cuts and old copies: the log and the ledger agree again, or nothing starts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fedsa.errors import TeacherFileError
from fedsa.teacher.policy import audit, log
from fedsa.teacher.policy.office import Office
from tests.teacher.policy.conftest import NOON, Clock


def _spend(office: Office, times: int) -> None:
    record = {"caller": "c", "teacher": "t", "call": "predict", "question": "q"}
    for _ in range(times):
        with office.ledger.purse("c", "t", "predict") as purse:
            assert office.charge(1, 10**6, "ever", 0, purse, **record)


def _office(folder: Path) -> Office:
    return Office(folder, Clock(NOON))


@pytest.mark.parametrize("kept", [1, 3, 256])
def test_a_ledger_from_an_older_copy_gives_no_budget_back(
    tmp_path: Path, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "KEPT", kept)
    office = _office(tmp_path / "s")
    _spend(office, 7)
    office.close()
    old = shutil.copytree(tmp_path / "s", tmp_path / "old")
    office = _office(tmp_path / "s")
    _spend(office, 11)
    office.close()
    for path in (tmp_path / "s").glob("ledger.sqlite*"):
        path.unlink()
    for path in old.glob("ledger.sqlite*"):
        shutil.copy(path, tmp_path / "s")
    assert any("older" in fault for fault in audit.verify(tmp_path / "s"))
    office = _office(tmp_path / "s")
    assert office.spent()[0].spent == 18
    assert audit.verify(tmp_path / "s") == []
    _spend(office, 1)
    assert audit.verify(tmp_path / "s") == [] and audit.head(tmp_path / "s")[0] == 19


def test_a_ledger_from_an_older_copy_gives_no_approval_back(tmp_path: Path) -> None:
    revoked, kept, again = "a" * 64, "b" * 64, "c" * 64
    office = _office(tmp_path / "s")
    assert office.approve(revoked) and office.approve(again)
    office.close()
    old = shutil.copytree(tmp_path / "s", tmp_path / "old")
    office = _office(tmp_path / "s")
    assert office.revoke(revoked) and office.approve(kept)
    assert office.revoke(again) and office.approve(again)
    listed = office.approvals.all()
    office.close()
    for path in (tmp_path / "s").glob("ledger.sqlite*"):
        path.unlink()
    for path in old.glob("ledger.sqlite*"):
        shutil.copy(path, tmp_path / "s")
    office = _office(tmp_path / "s")
    assert not office.approved(revoked)
    assert office.approvals.all() == listed == [(kept, NOON), (again, NOON)]
    assert audit.verify(tmp_path / "s") == []


def test_a_new_ledger_takes_an_old_log_over(tmp_path: Path) -> None:
    office = _office(tmp_path / "s")
    _spend(office, 5)
    office.close()
    for path in (tmp_path / "s").glob("ledger.sqlite*"):
        path.unlink()
    assert _office(tmp_path / "s").spent()[0].spent == 5


@pytest.mark.parametrize("kept", [1, 256])
def test_a_log_that_lost_what_the_ledger_let_go_of_is_refused(
    tmp_path: Path, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "KEPT", kept)
    office = _office(tmp_path / "s")
    _spend(office, 6)
    office.close()
    path = tmp_path / "s" / "audit.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))
    if kept == 256:  # the ledger still has them all
        _office(tmp_path / "s").close()
        assert path.read_bytes() == b"".join(lines)
        return
    with pytest.raises(TeacherFileError, match="records"):
        _office(tmp_path / "s")
    path.write_bytes(b"".join(lines))
    _office(tmp_path / "s")


@pytest.mark.parametrize("tail", [b"\0" * 700, b"", b'{"caller":"c","ca'])
def test_an_unfinished_line_is_written_anew(tmp_path: Path, tail: bytes) -> None:
    office = _office(tmp_path / "s")
    _spend(office, 4)
    office.close()
    path = tmp_path / "s" / "audit.jsonl"
    text = path.read_bytes()
    begun = text.splitlines(keepends=True)
    rest = begun[3][: len(tail)] if tail.startswith(b"{") else tail
    path.write_bytes(b"".join(begun[:3]) + rest)
    _office(tmp_path / "s").close()
    assert path.read_bytes() == text


@pytest.mark.parametrize("tail", [b"not ours\n", b"not ours", b"{}\n", b'{"n": 5}\n'])
def test_lines_that_are_none_of_ours_are_refused_and_left_alone(
    tmp_path: Path, tail: bytes
) -> None:
    office = _office(tmp_path / "s")
    _spend(office, 4)
    office.close()
    path = tmp_path / "s" / "audit.jsonl"
    path.write_bytes(path.read_bytes() + tail)
    text = path.read_bytes()
    with pytest.raises(TeacherFileError, match="no records of this chain"):
        _office(tmp_path / "s")
    assert path.read_bytes() == text


def test_another_institutions_log_is_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        office = _office(tmp_path / name)
        office.record("note", who=name)
        _spend(office, 3)
        office.close()
    shutil.copy(tmp_path / "one" / "audit.jsonl", tmp_path / "two" / "audit.jsonl")
    with pytest.raises(TeacherFileError, match="cannot be used"):
        _office(tmp_path / "two")


def test_two_processes_worth_of_offices_write_one_chain(tmp_path: Path) -> None:
    offices = [_office(tmp_path / "s") for _ in range(3)]
    for turn in range(30):
        _spend(offices[turn * 7 % 3], 1 + turn % 2)
    assert audit.verify(tmp_path / "s") == []
    assert audit.head(tmp_path / "s")[0] == 45 == offices[1].spent()[0].spent


def test_the_ledger_lets_go_of_what_is_safe_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "KEPT", 8)
    office = _office(tmp_path / "s")
    for _ in range(50):
        office.record("note", text="x" * 200)
    ((kept,),) = office._book.read("SELECT COUNT(*) FROM pending")
    assert kept <= 16 and audit.verify(tmp_path / "s") == []
