"""After a kill or a power cut: making the log's file and the ledger agree again, or saying no."""

from __future__ import annotations

import json
import os
import sqlite3
from datetime import datetime
from typing import Any

from fedsa.teacher.policy.approvals import enter_approval, enter_revocation
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

    A line that was not finished is cut off; the caller writes it anew from what the ledger still
    holds of the log. Whole records that go on from the ledger's last one were lost to the ledger
    by a power cut, or by an old copy that was put back: they are entered again, with what they
    say was spent, approved and revoked, so that neither a budget nor an approval comes back.

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
        others = lines[same:]
        if same == len(kept):
            others = others[_take_back(db, others, count, head) :]
        if others or not _unfinished(torn, kept[same] if same < len(kept) else ""):
            raise OSError("the log goes on with lines that are no records of this chain")
        if torn:
            os.ftruncate(file, os.fstat(file).st_size - len(torn))
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


def _unfinished(torn: bytes, line: str) -> bool:
    """Say whether a file's last bytes can be what a kill or a power cut left of a line."""
    if line:
        return line.startswith(_text(torn)) or not torn.strip(b"\0")
    # The ledger may have lost the record as well.
    return len(torn) < _BLOCK and (not torn.strip(b"\0") or torn.startswith(b'{"'))


def _take_back(db: sqlite3.Connection, lines: list[str], count: int, head: str) -> int:
    """Enter records that the ledger has lost; return how many."""
    taken = 0
    for line in lines:
        try:
            record = follow(line, count + 1, head)
        except BrokenChain:
            break
        count, head = count + 1, record["hash"]
        _enter(db, record)
        db.execute("INSERT INTO pending VALUES (?, ?)", (count, line))
        taken += 1
    db.execute("UPDATE chain SET records = ?, head = ?", (count, head))
    return taken


def _enter(db: sqlite3.Connection, record: dict[str, Any]) -> None:
    """Do again what a record says was done; all but three kinds tell of nothing in the ledger."""
    event = record.get("event")
    if event == "charge":
        caller, teacher, call, day = (record[k] for k in ("caller", "teacher", "call", "day"))
        enter(db, caller, teacher, call, day, record["charged"])
    elif event == "approve":
        enter_approval(db, record["set"], datetime.fromisoformat(record["time"]).timestamp())
    elif event == "revoke":
        enter_revocation(db, record["set"])


def _tail(file: int, base: int | None) -> tuple[list[str], bytes]:
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
                return [_text(line) for line in lines[skipped:]], torn
        return [], torn
    return [_text(line) for line in lines], torn


def _number(line: bytes) -> int:
    try:
        return int(json.loads(line)["n"])
    except (ValueError, KeyError, TypeError):
        return 2**62


def _text(line: bytes) -> str:
    return line.decode("ascii", errors="replace")
