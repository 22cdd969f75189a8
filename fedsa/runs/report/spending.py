"""What the run cost: queries and bytes a teacher, seconds a part, and what failed."""

from __future__ import annotations

from dataclasses import dataclass

from fedsa.runs.report.headline import number
from fedsa.runs.report.material import Material


@dataclass(frozen=True)
class Spent:
    """One teacher's bill; the shares in [0, 1] are lengths of bars."""

    id: str
    relevant: bool | None
    rounds: int | None
    queries: int | None
    bytes: str
    queries_share: float
    bytes_share: float


@dataclass(frozen=True)
class Part:
    """One part of the wall time."""

    name: str
    seconds: float
    share: float


@dataclass(frozen=True)
class Spending:
    """The whole bill."""

    teachers: tuple[Spent, ...]
    queries: int | None
    to_teachers: str
    from_teachers: str
    parts: tuple[Part, ...]
    total: float | None


def size(count: float | None) -> str:
    """Return a number of bytes as a person reads it (decimal units)."""
    if count is None:
        return "unknown"
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def spending(run: Material) -> Spending | None:
    """Return the bill from the summary, or None when there is no summary yet."""
    if not run.summary:
        return None
    records = run.teachers()
    queries = {str(r["id"]): number(r.get("queries")) for r in records}
    moved = {str(r["id"]): number(r.get("bytes")) for r in records}
    most_queries = max((value or 0.0 for value in queries.values()), default=0.0)
    most_bytes = max((value or 0.0 for value in moved.values()), default=0.0)
    teachers = []
    for record in sorted(records, key=lambda r: (-(queries[str(r["id"])] or 0.0), str(r["id"]))):
        name, relevant = str(record["id"]), record.get("relevant")
        rounds = number(record.get("times_selected"))
        asked = queries[name]
        teachers.append(
            Spent(
                id=name,
                relevant=relevant if isinstance(relevant, bool) else None,
                rounds=None if rounds is None else int(rounds),
                queries=None if asked is None else int(asked),
                bytes=size(moved[name]),
                queries_share=(asked or 0.0) / most_queries if most_queries else 0.0,
                bytes_share=(moved[name] or 0.0) / most_bytes if most_bytes else 0.0,
            )
        )
    traffic = run.summary.get("bytes") or {}
    total, parts = _time(run)
    known = [value for value in queries.values() if value is not None]
    return Spending(
        teachers=tuple(teachers),
        queries=int(sum(known)) if known else None,
        to_teachers=size(number(traffic.get("to_teachers"))),
        from_teachers=size(number(traffic.get("from_teachers"))),
        parts=parts,
        total=total,
    )


def _time(run: Material) -> tuple[float | None, tuple[Part, ...]]:
    seconds = {
        str(name): value
        for name, raw in (run.summary.get("seconds") or {}).items()
        if (value := number(raw)) is not None
    }
    total = seconds.pop("total", None)
    if not total or total <= 0:
        return total, ()
    rest = total - sum(seconds.values())
    if rest > 0.005 * total:
        seconds["everything else"] = rest
    parts = [Part(name, value, min(1.0, value / total)) for name, value in seconds.items()]
    return total, tuple(parts)
