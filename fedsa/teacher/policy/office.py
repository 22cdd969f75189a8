"""An institution's own records in one folder: ledger, log, answers, sets and the secret."""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from fedsa.errors import TeacherFileError
from fedsa.teacher.faults import Fault
from fedsa.teacher.policy import approvals, ledger, log
from fedsa.teacher.policy.approvals import Approvals, Waiting
from fedsa.teacher.policy.book import Book
from fedsa.teacher.policy.cache import AnswerCache
from fedsa.teacher.policy.ledger import Ledger, Purse, Spent
from fedsa.teacher.policy.log import Log
from fedsa.teacher.policy.refusals import Refusals
from fedsa.teacher.policy.secret import read_or_make
from fedsa.teacher.policy.windows import Window
from fedsa.teacher.sets import SetStore

LEDGER, AUDIT, CACHE, SETS, KEY = "ledger.sqlite", "audit.jsonl", "answers.sqlite", "sets", "key"
"""Names in the folder."""


class Office:
    """The records of one institution, for any number of its teachers, threads and processes.

    Parameters
    ----------
    folder : Path
        Made, for its owner alone, if it is not there; on a disk of this machine.
    clock : Callable[[], float]
        Seconds since 1970.

    Raises
    ------
    TeacherFileError
        If the folder cannot be used, or its ledger and its log do not belong together.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self.clock = clock
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.key = read_or_make(folder / KEY)
            self._log = Log(folder / AUDIT)
            self._book = _book(folder / LEDGER)
            self._book.before, self._book.after = self._log.before, self._log.after
            self._book.write(lambda db: None, durable=False)  # mends what a kill has left
            self.cache = AnswerCache(_private(folder / CACHE))
        except (Fault, OSError, sqlite3.Error) as error:
            raise _unusable(folder, error) from error
        self.ledger = Ledger(self._book)
        self.approvals = Approvals(self._book)
        self.refusals = Refusals()
        self.sets = SetStore(folder / SETS)

    def approve(self, set_hash: str) -> bool:
        """Approve a transfer set for all teachers; False if it was approved before.

        Raises
        ------
        Fault
            ``storage`` if it cannot be written.
        """
        return self.approvals.approve(set_hash, self.clock(), self._also("approve", set_hash))

    def revoke(self, set_hash: str) -> bool:
        """Take an approval by hand back; False if there was none.

        Raises
        ------
        Fault
            ``storage`` if it cannot be written.
        """
        return self.approvals.revoke(set_hash, self._also("revoke", set_hash))

    def approved(self, set_hash: str) -> bool:
        """Say whether a set was approved by hand; policies may name others."""
        return self.approvals.approved(set_hash)

    def waiting(self) -> list[Waiting]:
        """Return the sets that were offered and wait for approval, oldest first."""
        return self.approvals.waiting()

    def today(self) -> date:
        """Return the day that policies and budgets go by; see :meth:`Ledger.today`."""
        return self.ledger.today(self.clock())

    def spent(self, window: Window = "ever") -> list[Spent]:
        """Return what was spent, by coordinator, teacher, call and window, sorted."""
        return self.ledger.spent(window)

    def charge(
        self, items: int, limit: int, window: Window, ahead: int, purse: Purse, **record: str
    ) -> bool:
        """Debit an account and record it in one transaction; see :meth:`Ledger.debit`.

        Parameters
        ----------
        items, limit, window, ahead, purse : int, int, Window, int, Purse
            As for the ledger.
        **record : str
            Goes to the log; ``caller``, ``teacher`` and ``call`` name the account.
        """
        now = self.clock()
        entry = {"event": "charge", "time": stamp(now), "charged": items, **record}
        account = (record["caller"], record["teacher"], record["call"])
        return self.ledger.debit(
            *account,
            items,
            limit,
            window,
            now,
            ahead=ahead,
            purse=purse,
            also=lambda db, day: self._log.add(db, entry | {"day": day.isoformat()}),
        )

    def record(self, event: str, **record: Any) -> None:
        """Record something that cost nothing, or whose cost is recorded.

        Raises
        ------
        Fault
            ``storage`` if it cannot be written.
        """
        entry = {"event": event, "time": stamp(self.clock()), **record}
        # A power cut may take this record, never the charge that it belongs to.
        self._book.write(lambda db: self._log.add(db, entry), durable=False)

    def refused(self, event: str, **record: Any) -> None:
        """Record a refusal that cost nothing; of a ``caller`` with too many only how many.

        Raises
        ------
        Fault
            ``storage`` if it cannot be written.
        """
        omitted = self.refusals.note(record["caller"], self.clock())
        if omitted is not None:
            self.record(event, **record, **({"omitted": omitted} if omitted else {}))

    def close(self) -> None:
        """Let go of all files."""
        self._book.close()
        self.cache.close()
        self._log.close()

    def _also(self, event: str, set_hash: str) -> Callable[[sqlite3.Connection], None]:
        entry = {"event": event, "time": stamp(self.clock()), "set": set_hash}
        return lambda db: self._log.add(db, entry)


@contextmanager
def opened(folder: Path) -> Iterator[Office]:
    """Open the records for a person, who is told in a sentence what fails; closed at the end.

    Raises
    ------
    TeacherFileError
        If they cannot be used, now or in the middle.
    """
    office = Office(folder)
    try:
        yield office
    except (Fault, ValueError) as error:  # a day that is no day, from a page that was damaged
        raise _unusable(folder, error) from error
    finally:
        office.close()


def _unusable(folder: Path, error: Exception) -> TeacherFileError:
    return TeacherFileError(
        f"The institution's records in '{folder}' cannot be used ({error.__cause__ or error}): "
        "make room, or put back what is missing or damaged."
    )


def stamp(now: float) -> str:
    """Return a time as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")


def question() -> str:
    """Return a name for one question, by which its records are found again."""
    return secrets.token_hex(8)


def _book(path: Path) -> Book:
    schema = ledger.SCHEMA + approvals.SCHEMA + log.SCHEMA
    return Book(_private(path), schema)


def _private(path: Path) -> Path:
    """Make a file that only its owner can read; SQLite gives its side files the same rights."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return path
