"""After a kill or a power cut: making the log's file and the ledger agree again, or saying no."""

from __future__ import annotations

import json
import os
import sqlite3

from fedsa.teacher.policy.chain import ORIGIN, BrokenChain, follow
from fedsa.teacher.policy.ledger import enter

_BLOCK = 1 << 16


def last_line(file: int) -> int:
    """Return the number of a log's last record, 0 for an empty one.

    Raises
    ------
    OSError
        If the file does not end with a whole record.
    """
    lines, torn = _tail(file, None)
    if not lines and not torn:
        return 0
    try:
        if torn:
            raise ValueError
        return int(json.loads(lines[-1])["n"])
    except (ValueError, KeyError, TypeError):
        raise OSError("the log does not end with a whole record") from None


def mend(file: int, db: sqlite3.Connection) -> None:
    """Make a log's file and its ledger agree; the caller has locked the file.

    What the ledger still holds of the log is the truth of the file's end: a torn or unwritten
    line is cut off (and written anew by the caller). Whole records that go on from the ledger's
    last one were lost to the ledger by a power cut, or by an old copy that was put back: they are
    entered again, with what they say was spent, so that no budget comes back.

    Raises
    ------
    OSError
        If the two do not belong together: records are missing, or others stand in their place.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        count, head = db.execute("SELECT records, head FROM chain").fetchone()
        kept = [line for (line,) in db.execute("SELECT line FROM pending ORDER BY n")]
        base = count - len(kept)
        lines, torn = _tail(file, base)
        if base and not lines:
            raise OSError("records are missing at the end of the log")
        _check_base(lines.pop(0) if base else "", base, kept, head)
        same = 0
        while same < min(len(kept), len(lines)) and lines[same] == kept[same]:
            same += 1
        wrong = sum(len(line) + 1 for line in lines[same:]) + torn
        if same == len(kept):
            taken = _take_back(db, lines[same:], count, head)
            wrong -= sum(len(line) + 1 for line in taken)
            if wrong > torn:
                raise OSError("the log goes on with lines that are no records of this chain")
        if wrong:
            os.ftruncate(file, os.fstat(file).st_size - wrong)
        db.execute("COMMIT")
    except BaseException:
        db.rollback()
        raise


def _check_base(before: str, base: int, kept: list[str], head: str) -> None:
    """Check that the last record which only the file has is the one the ledger goes on from."""
    try:
        digest = str(json.loads(before)["hash"]) if base else ORIGIN
        if kept:
            follow(kept[0], base + 1, digest)
        elif digest != head:
            raise BrokenChain("has another hash")
    except (BrokenChain, ValueError, KeyError, TypeError):
        raise OSError("the log is not the one that this ledger belongs to") from None


def _take_back(db: sqlite3.Connection, lines: list[str], count: int, head: str) -> list[str]:
    """Enter records that the ledger has lost; return those that were entered."""
    taken = []
    for line in lines:
        try:
            record = follow(line, count + 1, head)
        except BrokenChain:
            break
        count, head = count + 1, record["hash"]
        if record.get("event") == "charge":
            caller, teacher, call, day = (record[k] for k in ("caller", "teacher", "call", "day"))
            enter(db, caller, teacher, call, day, record["charged"])
        db.execute("INSERT INTO pending VALUES (?, ?)", (count, line))
        taken.append(line)
    db.execute("UPDATE chain SET records = ?, head = ?", (count, head))
    return taken


def _tail(file: int, base: int | None) -> tuple[list[str], int]:
    """Return a file's lines from record ``base`` on (None: its last one), and the torn bytes."""
    size = os.fstat(file).st_size
    span = _BLOCK
    while True:
        start = max(0, size - span)
        text = os.pread(file, size - start, start)
        whole, end, torn = text.rpartition(b"\n")
        lines = (whole + end).split(b"\n")[:-1]
        if start:
            lines = lines[1:]  # most likely cut in two
        if start == 0 or (lines and (base is None or _number(lines[0]) <= base)):
            break
        span *= 4
    if base is not None and base > 0:
        for skipped, line in enumerate(lines):
            if _number(line) == base:
                return [_text(line) for line in lines[skipped:]], len(torn)
        return [], len(torn)
    return [_text(line) for line in lines], len(torn)


def _number(line: bytes) -> int:
    try:
        return int(json.loads(line)["n"])
    except (ValueError, KeyError, TypeError):
        return 2**62


def _text(line: bytes) -> str:
    return line.decode("ascii", errors="replace")
