"""What each coordinator has spent: decided and debited in one transaction, before any inference."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import NamedTuple

from fedsa.teacher.policy.book import Book
from fedsa.teacher.policy.windows import Window, bounds, day_of, label

SCHEMA = """
CREATE TABLE IF NOT EXISTS spent (
    coordinator TEXT NOT NULL, teacher TEXT NOT NULL, call TEXT NOT NULL, day TEXT NOT NULL,
    items INTEGER NOT NULL CHECK (items >= 0),
    PRIMARY KEY (coordinator, teacher, call, day)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS spent_day ON spent (day);
"""

_SUM = """SELECT COALESCE(SUM(items), 0) FROM spent
WHERE coordinator = ? AND teacher = ? AND call = ? AND day BETWEEN ? AND ?"""
_ADD = """INSERT INTO spent VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET items = items + excluded.items"""
_LATEST = "SELECT MAX(day) FROM spent"


class Spent(NamedTuple):
    """What one coordinator has spent of one kind of question at one teacher in one window."""

    coordinator: str
    teacher: str
    call: str
    window: str
    spent: int


class Purse:
    """What one question has been granted beyond what it has spent so far; see :class:`Ledger`."""

    def __init__(self) -> None:
        self.rest = 0


class Ledger:
    """The account of spent items.

    Spending is kept by day, so that a policy whose window is changed counts what was spent
    before the change. No day comes back: with a clock that was set back, the latest day on which
    something was spent goes on, since the windows of days before it may look empty.

    Parameters
    ----------
    book : Book
        Where it is kept; its schema holds :data:`SCHEMA`.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._purses: dict[tuple[str, str, str], list[Purse]] = {}
        self._pursing = threading.Lock()

    @contextmanager
    def purse(self, coordinator: str, teacher: str, call: str) -> Iterator[Purse]:
        """Open a purse for a question that is debited in several steps.

        What was granted to it ahead is not granted to other questions that this process answers
        meanwhile, so that no question stops half-way because of them.
        """
        purse = Purse()
        with self._pursing:
            purses = self._purses.setdefault((coordinator, teacher, call), [])
            purses.append(purse)
        try:
            yield purse
        finally:
            with self._pursing:
                purses.remove(purse)
                if not purses:
                    self._purses.pop((coordinator, teacher, call), None)

    def debit(
        self,
        coordinator: str,
        teacher: str,
        call: str,
        items: int,
        limit: int,
        window: Window,
        now: float,
        *,
        ahead: int = 0,
        purse: Purse | None = None,
        also: Callable[[sqlite3.Connection, date], None] | None = None,
    ) -> bool:
        """Decide whether ``items`` may be spent, and spend them, in one transaction.

        Parameters
        ----------
        coordinator, teacher, call : str
            Whose account.
        items : int
            What to spend now.
        limit, window : int, Window
            Items that may be spent in a window in all.
        now : float
            Seconds since 1970.
        ahead : int
            Items that will be asked for next and have to fit too, but are not spent yet.
        purse : Purse | None
            Where the grant of ``ahead`` is kept until the next debit.
        also : Callable[[sqlite3.Connection, date], None] | None
            Written in the same transaction if the answer is yes; it gets the day of the debit.

        Returns
        -------
        bool
            False if they do not fit; then nothing is spent.

        Raises
        ------
        Fault
            ``storage`` if it cannot be written; then nothing is spent.
        """
        if items < 0 or ahead < 0:
            raise ValueError("items are counted from zero")

        def decide(db: sqlite3.Connection) -> bool:
            day = _later(now, db.execute(_LATEST).fetchall())
            spent = self._sum(db, coordinator, teacher, call, window, day)
            promised = self._promised((coordinator, teacher, call), purse)
            if spent + promised + items + ahead > limit:
                return False
            if purse is not None:
                purse.rest = ahead
            enter(db, coordinator, teacher, call, day.isoformat(), items)
            if also is not None:
                also(db, day)
            return True

        return self._book.write(decide)

    def today(self, now: float) -> date:
        """Return the day that counts: that of ``now``, or the latest one in the ledger.

        Raises
        ------
        Fault
            ``storage`` if the ledger cannot be read.
        """
        return _later(now, self._book.read(_LATEST))

    def left(
        self, coordinator: str, teacher: str, call: str, limit: int, window: Window, now: float
    ) -> int:
        """Return how many of ``limit`` items are not spent yet in the present window."""
        first, last = bounds(window, self.today(now))
        ((spent,),) = self._book.read(
            _SUM, (coordinator, teacher, call, first.isoformat(), last.isoformat())
        )
        return max(0, limit - int(spent))

    def spent(self, window: Window = "ever") -> list[Spent]:
        """Return all that was ever spent, summed over windows of one kind, sorted."""
        sums: Counter[tuple[str, str, str, str]] = Counter()
        for coordinator, teacher, call, day, items in self._book.read("SELECT * FROM spent"):
            sums[coordinator, teacher, call, label(window, date.fromisoformat(day))] += items
        return [Spent(*account, items) for account, items in sorted(sums.items())]

    def _promised(self, account: tuple[str, str, str], own: Purse | None) -> int:
        with self._pursing:
            return sum(purse.rest for purse in self._purses.get(account, ()) if purse is not own)

    @staticmethod
    def _sum(
        db: sqlite3.Connection, coordinator: str, teacher: str, call: str, window: Window, day: date
    ) -> int:
        first, last = bounds(window, day)
        (spent,) = db.execute(
            _SUM, (coordinator, teacher, call, first.isoformat(), last.isoformat())
        ).fetchone()
        return int(spent)


def enter(
    db: sqlite3.Connection, coordinator: str, teacher: str, call: str, day: str, items: int
) -> None:
    """Add to what was spent on a day (``2026-02-14``); the caller holds the transaction."""
    if items:
        db.execute(_ADD, (coordinator, teacher, call, day, items))


def _later(now: float, latest: list[tuple[str | None]]) -> date:
    ((day,),) = latest
    return max(day_of(now), date.fromisoformat(day)) if day else day_of(now)
