"""Answers that have left before: the same question gets the same bytes, and is free.

What is kept is the final form and nothing finer. Losing the cache costs coordinators some budget
and tells nobody anything new, since the noise of an answer follows from the institution's secret.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

LIMIT = 2 * 2**30
"""Bytes of the file beyond which the oldest answers go."""

_AT_ONCE = 500
_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS answers (
    age INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL
);
"""

_log = logging.getLogger("fedsa.teacher")


class AnswerCache:
    """Final answers by key, in a file that may be thrown away at any time.

    Parameters
    ----------
    path : Path
        The file; a damaged one is put aside for a new one.
    limit : int
        Bytes that it may grow to.
    """

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self.path = path
        self.limit = limit
        self._lock = threading.Lock()
        try:
            self._db = self._open()
        except sqlite3.DatabaseError as error:
            _log.warning("the answer cache '%s' is made anew: %s", path, error)
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            self._db = self._open()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the values of those keys that are known."""
        found: dict[bytes, bytes] = {}
        try:
            with self._lock:
                for start in range(0, len(keys), _AT_ONCE):
                    part = keys[start : start + _AT_ONCE]
                    marks = ",".join("?" * len(part))
                    query = f"SELECT key, value FROM answers WHERE key IN ({marks})"
                    found.update(self._db.execute(query, part))
        except sqlite3.Error as error:  # a miss costs the coordinator budget, and that is all
            _log.warning("the answer cache '%s' cannot be read: %s", self.path, error)
        return found

    def keep(self, values: Mapping[bytes, bytes]) -> None:
        """Keep values; where a key is known, its first value stays."""
        try:
            with self._lock, self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany(
                    "INSERT OR IGNORE INTO answers (key, value) VALUES (?, ?)", values.items()
                )
                self._shrink()
        except sqlite3.Error as error:  # as above
            _log.warning("the answer cache '%s' cannot be written: %s", self.path, error)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=10.0, isolation_level=None, check_same_thread=False)
        try:
            db.executescript(_SCHEMA)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _shrink(self) -> None:
        """Let the oldest tenth go when the file is full; its pages are used again."""
        (pages,), (free,), (size,) = (
            self._db.execute(f"PRAGMA {name}").fetchone()
            for name in ("page_count", "freelist_count", "page_size")
        )
        if (pages - free) * size > self.limit:
            self._db.execute(
                "DELETE FROM answers WHERE age IN (SELECT age FROM answers ORDER BY age "
                "LIMIT 1 + (SELECT COUNT(*) FROM answers) / 10)"
            )
