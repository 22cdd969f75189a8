"""Transfer sets that the institution has looked at, and those that wait for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import NamedTuple

from fedsa.teacher.policy.book import Book

SCHEMA = """
CREATE TABLE IF NOT EXISTS approved (
    set_hash TEXT PRIMARY KEY, since REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
    set_hash TEXT NOT NULL, coordinator TEXT NOT NULL, teacher TEXT NOT NULL,
    dtype TEXT NOT NULL, shape TEXT NOT NULL, since REAL NOT NULL,
    PRIMARY KEY (coordinator, set_hash, teacher)
) WITHOUT ROWID;
"""

MOST = 64
"""Sets that one coordinator may have waiting; further offers push out its oldest."""


class Waiting(NamedTuple):
    """A set that was offered and is not approved.

    Parameters
    ----------
    set_hash, coordinator, teacher : str
        What was offered, by whom, to which teacher.
    dtype, shape : str
        As offered; the shape as in ``6000x1x28x28``.
    since : float
        When it was offered first, in seconds since 1970.
    """

    set_hash: str
    coordinator: str
    teacher: str
    dtype: str
    shape: str
    since: float


class Approvals:
    """The list of approved sets, and the list of those that wait.

    Parameters
    ----------
    book : Book
        Where both are kept; its schema holds :data:`SCHEMA`.
    """

    def __init__(self, book: Book) -> None:
        self._book = book

    def approved(self, set_hash: str) -> bool:
        """Say whether a set was approved by hand."""
        found = self._book.read("SELECT 1 FROM approved WHERE set_hash = ?", (set_hash,))
        return bool(found)

    def all(self) -> list[tuple[str, float]]:
        """Return the sets approved by hand and since when, oldest first."""
        return [
            (str(name), float(since))
            for name, since in self._book.read("SELECT * FROM approved ORDER BY since, set_hash")
        ]

    def approve(
        self, set_hash: str, now: float, also: Callable[[sqlite3.Connection], None]
    ) -> bool:
        """Approve a set; False if it was approved before. ``also`` is in the same transaction."""

        def enter(db: sqlite3.Connection) -> bool:
            new = enter_approval(db, set_hash, now)
            if new:
                also(db)
            return new

        return self._book.write(enter)

    def revoke(self, set_hash: str, also: Callable[[sqlite3.Connection], None]) -> bool:
        """Take an approval back; False if there was none. ``also`` as for :meth:`approve`."""

        def enter(db: sqlite3.Connection) -> bool:
            gone = enter_revocation(db, set_hash)
            if gone:
                also(db)
            return gone

        return self._book.write(enter)

    def note(self, found: Waiting) -> None:
        """Note a set that waits, unless it is noted; bounded by :data:`MOST` a coordinator."""

        def enter(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR IGNORE INTO waiting VALUES (?, ?, ?, ?, ?, ?)", tuple(found))
            db.execute(
                "DELETE FROM waiting WHERE coordinator = ?1 AND (set_hash, teacher) NOT IN (SELECT "
                "set_hash, teacher FROM waiting WHERE coordinator = ?1 "
                "ORDER BY since DESC LIMIT ?2)",
                (found.coordinator, MOST),
            )

        self._book.write(enter, durable=False)

    def waiting(self) -> list[Waiting]:
        """Return the sets that wait, oldest first."""
        rows = self._book.read(
            "SELECT set_hash, coordinator, teacher, dtype, shape, since FROM waiting "
            "ORDER BY since, set_hash, coordinator, teacher"
        )
        return [Waiting(*row) for row in rows]


def enter_approval(db: sqlite3.Connection, set_hash: str, since: float) -> bool:
    """Approve a set, which then waits no more; the caller holds the transaction."""
    new = db.execute("INSERT OR IGNORE INTO approved VALUES (?, ?)", (set_hash, since))
    db.execute("DELETE FROM waiting WHERE set_hash = ?", (set_hash,))
    return bool(new.rowcount)


def enter_revocation(db: sqlite3.Connection, set_hash: str) -> bool:
    """Take an approval back; the caller holds the transaction."""
    return bool(db.execute("DELETE FROM approved WHERE set_hash = ?", (set_hash,)).rowcount)
