"""The audit log: written into the ledger's transaction first, into its own file right after.

A record exists from the moment its transaction is committed, together with the debit that it
tells of. The file ``audit.jsonl`` follows: records stay in the ledger until the file is safe on
the disk, so a process that is killed in the middle of a line loses nothing, and the next one
mends the line. The number of records and the last hash are kept in the ledger too, so that a cut
at the file's end shows.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fedsa.teacher.policy.chain import ORIGIN, link
from fedsa.teacher.policy.mending import last_line, mend

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS chain (
    one INTEGER PRIMARY KEY CHECK (one = 1), records INTEGER NOT NULL, head TEXT NOT NULL
);
INSERT OR IGNORE INTO chain VALUES (1, 0, '{ORIGIN}');
CREATE TABLE IF NOT EXISTS pending (n INTEGER PRIMARY KEY, line TEXT NOT NULL);
"""

KEPT = 256
"""Records in the file after which it is brought to the disk and the ledger lets go of them."""

_log = logging.getLogger("fedsa.teacher")


class Log:
    """The log of one institution.

    Parameters
    ----------
    path : Path
        Its file; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._let_go = weakref.finalize(self, os.close, self._file)
        self._known = (-1, 0)  # size of the file when last seen, and its last record's number
        self._synced = 0
        self._behind = True

    def add(self, db: sqlite3.Connection, record: Mapping[str, Any]) -> None:
        """Add a record; the caller holds the transaction."""
        count, head = db.execute("SELECT records, head FROM chain").fetchone()
        line, digest = link({**record, "n": count + 1}, head)
        db.execute("INSERT INTO pending VALUES (?, ?)", (count + 1, line))
        db.execute("UPDATE chain SET records = ?, head = ?", (count + 1, digest))
        if self._synced:
            db.execute("DELETE FROM pending WHERE n <= ?", (self._synced,))
            self._synced = 0

    def before(self, db: sqlite3.Connection) -> None:
        """Bring the file up to date if it could not be done when it should; else do nothing.

        Raises
        ------
        OSError
            If it cannot be done now either, or the file is not the one that the ledger knows.
        """
        if self._behind:
            with self._locked():
                mend(self._file, db)
                self._known = (-1, 0)
                self._publish(db)
            self._behind = False

    def after(self, db: sqlite3.Connection) -> None:
        """Bring to the file what was committed; if it fails, the next :meth:`before` sees to it."""
        try:
            with self._locked():
                self._publish(db)
        except (OSError, sqlite3.Error) as error:
            self._behind = True
            _log.warning("the log '%s' cannot be written: %s", self.path, error)

    def close(self) -> None:
        """Let go of the file."""
        self._let_go()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if os.stat(self.path).st_ino != os.fstat(self._file).st_ino:
            raise OSError("another file was put in the log's place; start anew")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _publish(self, db: sqlite3.Connection) -> None:
        size = os.fstat(self._file).st_size
        if self._known[0] != size:  # another process wrote since
            self._known = (size, last_line(self._file))
        last = self._known[1]
        rows = db.execute("SELECT n, line FROM pending WHERE n > ? ORDER BY n", (last,)).fetchall()
        if not rows:
            return
        if rows[0][0] != last + 1:
            raise OSError("the log ends before the records that the ledger has let go of")
        _append(self._file, "".join(f"{line}\n" for _, line in rows).encode())
        last = rows[-1][0]
        self._known = (os.fstat(self._file).st_size, last)
        if last % KEPT < len(rows):
            os.fsync(self._file)
            self._synced = last


def _append(file: int, text: bytes) -> None:
    while text:
        text = text[os.write(file, text) :]
