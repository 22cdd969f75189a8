"""Where the institution's records cannot be written: nothing is spent and nothing is answered."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fedsa.errors import TeacherFileError
from fedsa.messages import Failure, Predict, Predicted
from fedsa.teacher.faults import Fault
from fedsa.teacher.policy import audit, book
from fedsa.teacher.policy.office import Office
from fedsa.teacher.teacher import Teacher
from tests.teacher.policy.conftest import NOON, Counting, Desk

MakeDesk = Callable[..., Desk]


def _fill(office: Office) -> None:
    """Let the ledger's file grow no further, as on a full disk: SQLite says SQLITE_FULL."""
    database = office._book._db
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")


def _code(reply: object) -> str:
    assert isinstance(reply, Failure)
    return reply.code


def test_a_full_ledger_answers_nothing_and_spends_nothing(
    open_desk: MakeDesk, mint: Teacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk(budget={"predict": 10**6})
    counting = Counting(mint, monkeypatch)
    _fill(desk.office)
    # A page that is begun takes a few more records; then it is full.
    replies = [desk(Predict("mint", desk.set_hash, np.array([k % 10]))) for k in range(40)]
    refused = [reply for reply in replies if isinstance(reply, Failure)]
    assert len(refused) >= 10 and {reply.code for reply in refused} == {"storage"}
    answered = len({k % 10 for k, reply in enumerate(replies) if isinstance(reply, Predicted)})
    assert answered <= desk.spent() <= counting.items + 1
    before = desk.spent(), counting.items
    for k in range(10):
        if isinstance(replies[k], Failure):
            assert _code(desk(Predict("mint", desk.set_hash, np.array([k])))) == "storage"
    assert (desk.spent(), counting.items) == before
    desk.office._book._db.execute("PRAGMA max_page_count = 1000000")
    assert isinstance(desk(Predict("mint", desk.set_hash, np.arange(10))), Predicted)
    assert desk.spent() >= 10 and audit.verify(desk.office.folder) == []


FULL = """
import resource, signal, sys
from pathlib import Path
from fedsa.teacher.faults import Fault
from fedsa.teacher.policy.office import Office
office = Office(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
granted = 0
for _ in range(2000):
    try:
        with office.ledger.purse("c", "t", "predict") as purse:
            granted += office.charge(
                1, 10**6, "ever", 0, purse, caller="c", teacher="t", call="predict"
            )
    except Fault as fault:
        print(granted, fault.code, office.spent()[0].spent)
        break
"""


@pytest.mark.slow
def test_a_disk_that_really_takes_no_more(tmp_path: Path) -> None:
    """The kernel itself refuses to let any file of the process grow (RLIMIT_FSIZE)."""
    found = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "s")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    granted, code, spent = found.stdout.split()
    assert code == "storage" and int(granted) == int(spent) > 0
    assert audit.verify(tmp_path / "s") == []
    office = Office(tmp_path / "s")
    assert office.ledger.debit("c", "t", "predict", 1, int(spent) + 1, "ever", office.clock())


def test_a_ledger_that_another_holds(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "WAIT", 0.05)
    impatient = Office(office.folder, office.clock)
    holder = sqlite3.connect(office.folder / "ledger.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Fault, match="storage"):
        impatient.ledger.debit("c", "t", "predict", 1, 10, "ever", NOON)
    holder.execute("ROLLBACK")
    assert impatient.spent() == []
    assert impatient.ledger.debit("c", "t", "predict", 1, 10, "ever", NOON)


def test_a_ledger_that_was_deleted_under_the_gateway(open_desk: MakeDesk) -> None:
    desk = open_desk()
    assert isinstance(desk(Predict("mint", desk.set_hash, np.arange(2))), Predicted)
    os.replace(desk.office.folder / "ledger.sqlite", desk.office.folder / "elsewhere")
    assert _code(desk(Predict("mint", desk.set_hash, np.arange(4)))) == "storage"
    # Even what is known and free: it could not be recorded that it left.
    assert _code(desk(Predict("mint", desk.set_hash, np.arange(2)))) == "storage"


def test_a_log_that_was_deleted_under_the_gateway(open_desk: MakeDesk) -> None:
    desk = open_desk()
    assert isinstance(desk(Predict("mint", desk.set_hash, np.arange(2))), Predicted)
    (desk.office.folder / "audit.jsonl").unlink()
    desk(Predict("mint", desk.set_hash, np.arange(4)))  # its record is in the ledger
    spent = desk.spent()
    assert _code(desk(Predict("mint", desk.set_hash, np.arange(6)))) == "storage"
    assert desk.spent() == spent


@pytest.mark.parametrize("name", ["ledger.sqlite", "audit.jsonl", "key"])
def test_records_that_are_none_of_ours_are_refused_at_the_start(office: Office, name: str) -> None:
    assert office.ledger.debit("c", "t", "predict", 1, 10, "ever", NOON)
    office.record("note")
    office.close()
    for side in ("-wal", "-shm"):
        (office.folder / f"{name}{side}").unlink(missing_ok=True)
    (office.folder / name).write_bytes(b"something else entirely, long enough" * 400)
    with pytest.raises(TeacherFileError, match="cannot be used"):
        Office(office.folder)


def test_a_damaged_cache_is_made_anew(open_desk: MakeDesk, office: Office) -> None:
    desk = open_desk(noise={"sigma": 0.2})
    first = desk(Predict("mint", desk.set_hash, np.arange(10)))
    office.cache.close()
    for side in ("-wal", "-shm"):
        (office.folder / f"answers.sqlite{side}").unlink(missing_ok=True)
    (office.folder / "answers.sqlite").write_bytes(b"no database" * 1000)
    again = Office(office.folder, office.clock)
    desk = Desk(type(desk.guard)(desk.guard.teacher, desk.guard.policy, again), again, desk.items)
    second = desk(Predict("mint", desk.set_hash, np.arange(10)))
    assert isinstance(first, Predicted) and isinstance(second, Predicted)
    assert np.array_equal(first.answers.values, second.answers.values)


def test_the_folder_is_for_its_owner_alone(office: Office) -> None:
    office.record("note")
    office.cache.keep({b"k": b"v"})
    assert office.folder.stat().st_mode & 0o777 == 0o700
    files = [path for path in office.folder.iterdir() if path.is_file()]
    assert {path.name for path in files} >= {
        "key",
        "ledger.sqlite",
        "answers.sqlite",
        "audit.jsonl",
    }
    assert all(path.stat().st_mode & 0o077 == 0 for path in files), files


def test_a_key_that_others_can_read_is_refused(office: Office) -> None:
    office.close()
    (office.folder / "key").chmod(0o644)
    with pytest.raises(TeacherFileError, match="chmod 600"):
        Office(office.folder)
