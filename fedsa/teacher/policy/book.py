"""The file of an institution's own records: transactions that hold, or nothing is answered.

One SQLite file in write-ahead mode, for many threads and several processes on one machine (such
files do not work on network drives). What callers want to write at the same moment goes into one
transaction, so that many of them pay for one wait on the disk.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from fedsa.teacher.faults import Fault

WAIT = 10.0
"""Seconds to wait for another process that writes."""

T = TypeVar("T")
_log = logging.getLogger("fedsa.teacher")


@dataclass(eq=False)
class _Wish(Generic[T]):
    job: Callable[[sqlite3.Connection], T]
    durable: bool
    done: bool = False
    result: T | None = None
    error: BaseException | None = None


class Book:
    """An SQLite file with a schema.

    Parameters
    ----------
    path : Path
        The file; made if it is not there.
    schema : str
        Statements that make the tables where they are missing.

    Raises
    ------
    Fault
        ``storage`` if the file cannot be opened or is none of ours.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        self.before: Callable[[sqlite3.Connection], None] | None = None
        """Called before each transaction; what it raises prevents it."""
        self.after: Callable[[sqlite3.Connection], None] | None = None
        """Called after each transaction that was committed; may not raise."""
        self._turn = threading.Lock()
        self._reading = threading.Lock()
        self._wishes: list[_Wish[Any]] = []
        self._wishing = threading.Lock()
        try:
            self._db, self._reader = _connect(path), _connect(path)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(f"BEGIN IMMEDIATE; {schema} COMMIT;")
            self._inode = os.stat(path).st_ino
        except (sqlite3.Error, OSError) as error:
            raise Fault("storage") from error

    def write(self, job: Callable[[sqlite3.Connection], T], *, durable: bool = True) -> T:
        """Run ``job`` in a transaction of its own or together with others; all or nothing.

        Parameters
        ----------
        job : Callable[[sqlite3.Connection], T]
            Reads and writes; must raise before it has written, if it raises.
        durable : bool
            Whether to wait until the disk has it. Without, it survives the end of the process
            in any case, but the last moments before a power cut may be lost.

        Raises
        ------
        Fault
            ``storage`` if it was not written: the disk is full, the file is locked, damaged or
            gone. What ``job`` itself raises goes to its caller.
        """
        wish = _Wish(job, durable)
        with self._wishing:
            self._wishes.append(wish)
        with self._turn:
            if not wish.done:  # else whoever had the turn before has done it along with its own
                with self._wishing:
                    wishes, self._wishes = self._wishes, []
                self._grant(wishes)
        if wish.error is not None:
            if isinstance(wish.error, sqlite3.Error | OSError):
                raise Fault("storage") from wish.error
            raise wish.error
        return wish.result  # type: ignore[return-value]

    def read(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query.

        Raises
        ------
        Fault
            ``storage`` if the file cannot be read.
        """
        try:
            with self._reading:  # on its own connection, so that nobody waits for a writer's disk
                self._check()
                return self._reader.execute(query, values).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise Fault("storage") from error

    def close(self) -> None:
        """Let go of the file."""
        with self._turn, self._reading:
            self._db.close()
            self._reader.close()

    def _grant(self, wishes: list[_Wish[Any]]) -> None:
        try:
            self._check()
            if self.before is not None:
                self.before(self._db)
            level = "FULL" if any(wish.durable for wish in wishes) else "NORMAL"
            self._db.execute(f"PRAGMA synchronous={level}")
            self._db.execute("BEGIN IMMEDIATE")
            for wish in wishes:
                try:
                    wish.result = wish.job(self._db)
                except (sqlite3.Error, OSError):
                    raise
                except Exception as error:  # its own business: the others go on
                    wish.error = error
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.rollback()
            for wish in wishes:
                wish.error = wish.error or error
            _log.warning("the records in '%s' cannot be written: %s", self.path, error)
        else:
            if self.after is not None:
                self.after(self._db)
        finally:
            for wish in wishes:
                wish.done = True

    def _check(self) -> None:
        """Refuse to write on into a file that was deleted or put aside."""
        if os.stat(self.path).st_ino != self._inode:
            raise OSError("another file was put in its place; start anew")


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)
