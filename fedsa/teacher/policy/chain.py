"""A chain of records: each line holds the hash of itself and of all before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

ORIGIN = "0" * 64
"""What stands before the first record."""


class BrokenChain(ValueError):
    """A line that is not the next one of its chain; the text says how."""


def canonical(record: Mapping[str, Any]) -> str:
    """Return the one way to write a record: JSON in ASCII, keys sorted, no spaces."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def link(record: Mapping[str, Any], before: str) -> tuple[str, str]:
    """Return a record's line and its hash, sha256(hash before || record)."""
    digest = hashlib.sha256((before + canonical(record)).encode()).hexdigest()
    return canonical({**record, "hash": digest}), digest


def follow(line: str, number: int, before: str) -> dict[str, Any]:
    """Return the record of a line, ``hash`` included, if it is number ``number`` of its chain.

    Raises
    ------
    BrokenChain
        If a byte of it, its number or what stood before it is another than when it was written.
    """
    try:
        record = json.loads(line)
        stated = record.pop("hash")
        if canonical({**record, "hash": stated}) != line:
            raise BrokenChain("is not written as records are")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise BrokenChain(
            str(error) if isinstance(error, BrokenChain) else "is no record"
        ) from None
    if record.get("n") != number:
        raise BrokenChain(f"is record {record.get('n')!r} where {number} should stand")
    if link(record, before)[1] != stated:
        raise BrokenChain("does not fit its hash or the record before it")
    return {**record, "hash": stated}
