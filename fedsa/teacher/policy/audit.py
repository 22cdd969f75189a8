"""Reading an institution's log: what is in it, and whether it is still what was written.

The chain shows every change to the file by somebody who cannot also change the ledger beside it.
Against somebody who can rewrite the whole folder, note the number of records and the last hash
(:func:`head`) elsewhere from time to time, and give them to :func:`verify`.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsa.errors import TeacherFileError
from fedsa.teacher.policy.chain import ORIGIN, BrokenChain, follow
from fedsa.teacher.policy.office import AUDIT, LEDGER

_Account = tuple[str, str, str, str]


def show(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the records in a state folder, oldest first.

    Raises
    ------
    TeacherFileError
        If there is no log, or a line is no record (``verify`` says more).
    """
    records = _read(folder)
    count = 0
    for line in records.lines:
        try:
            record = json.loads(line)
            count = int(record["n"])
        except (ValueError, KeyError, TypeError):
            raise TeacherFileError(
                f"Line {count + 1} of '{folder / AUDIT}' is no record: verify the log."
            ) from None
        yield record
    for n, line in sorted(records.pending.items()):
        if n > count:  # not in the file yet
            yield json.loads(line)


def head(folder: Path) -> tuple[int, str]:
    """Return the number of records and the last one's hash, to be noted elsewhere.

    Raises
    ------
    TeacherFileError
        If there is no ledger.
    """
    records = _read(folder)
    return records.count, records.last


def verify(folder: Path, known: tuple[int, str] | None = None) -> list[str]:
    """Return every fault of a state folder's log; an empty list means that it is whole.

    It may be called while the gateway runs.

    Parameters
    ----------
    folder : Path
        The state folder.
    known : tuple[int, str] | None
        A :func:`head` that was noted before; the log must go through it.

    Raises
    ------
    TeacherFileError
        If there is no log or no ledger to compare it with.
    """
    records = _read(folder)
    lines, pending = records.lines, records.pending
    if records.torn and not pending.get(len(lines) + 1, "").startswith(records.torn):
        return [f"Record {len(lines) + 1} is cut off, and the ledger does not have the rest."]
    # What a kill has kept out of the file is still in the ledger, and will be written.
    lines += [line for n, line in sorted(pending.items()) if n > len(lines)]
    faults: list[str] = []
    sums: Counter[_Account] = Counter()
    approved: set[str] = set()
    digest = ORIGIN
    for n, line in enumerate(lines, start=1):
        try:
            record = follow(line, n, digest)
        except BrokenChain as error:
            return [f"Line {n} {error}."]  # all behind it hangs on a broken link
        digest = record["hash"]
        if record.get("event") == "charge":
            account = (record["caller"], record["teacher"], record["call"], record["day"])
            sums[account] += record["charged"]
        elif record.get("event") == "approve":
            approved.add(record["set"])
        elif record.get("event") == "revoke":
            approved.discard(record["set"])
        if n == records.count and digest != records.last:
            faults.append(f"Record {n} is not the one that the ledger knows as the last.")
        if known is not None and n == known[0] and digest != known[1]:
            faults.append(f"Record {n} is not the one that was noted.")
    if len(lines) < records.count:
        faults.append(f"{records.count - len(lines)} records are missing at the end.")
    if len(lines) > records.count:
        faults.append(f"The ledger is older than the log: it knows {records.count} records.")
    if known is not None and len(lines) < known[0]:
        faults.append(f"The log ends before record {known[0]}, which was noted.")
    for account in sorted({*sums, *records.spent}):
        told, kept = sums[account], records.spent.get(account, 0)
        if told != kept:
            coordinator, teacher, call, day = account
            faults.append(
                f"The ledger says that {coordinator} spent {kept} items of {call} at {teacher} on "
                f"{day}; the log says {told}."
            )
    for name in sorted(approved ^ records.approved):
        one, other = ("log", "ledger") if name in approved else ("ledger", "log")
        faults.append(f"Set {name} is approved in the {one}, and not in the {other}.")
    return faults


@dataclass(frozen=True)
class _Records:
    lines: list[str]
    torn: str
    pending: dict[int, str]
    count: int
    last: str
    spent: dict[_Account, int]
    approved: set[str]


def _read(folder: Path) -> _Records:
    """Return a log's file and what its ledger knows of it, as they were at one moment."""
    try:
        with (folder / AUDIT).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)  # nobody appends meanwhile
            pending, count, last, spent, approved = _ledger(folder / LEDGER)
            text = file.read().decode("ascii", errors="replace")
    except OSError as error:
        raise TeacherFileError(
            f"There is no log '{folder / AUDIT}' that can be read ({error.strerror}): name a "
            "gateway's state folder."
        ) from None
    *lines, torn = text.split("\n")
    return _Records(lines, torn, pending, count, last, spent, approved)


def _ledger(path: Path) -> tuple[dict[int, str], int, str, dict[_Account, int], set[str]]:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=10.0)) as db:
            db.execute("BEGIN")
            count, last = db.execute("SELECT records, head FROM chain").fetchone()
            pending = dict(db.execute("SELECT n, line FROM pending").fetchall())
            rows = db.execute("SELECT coordinator, teacher, call, day, items FROM spent").fetchall()
            approved = {name for (name,) in db.execute("SELECT set_hash FROM approved")}
    except (sqlite3.Error, TypeError) as error:
        raise TeacherFileError(
            f"The ledger '{path}' cannot be read ({error}): without it a cut at the log's end "
            "would not show."
        ) from None
    return pending, int(count), str(last), {row[:4]: row[4] for row in rows}, approved
