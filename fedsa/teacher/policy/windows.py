"""Calendar windows in UTC: what is left of a budget today depends on the day alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Literal

Window = Literal["day", "week", "month", "ever"]


def day_of(now: float) -> date:
    """Return the day in UTC of a time in seconds since 1970."""
    return datetime.fromtimestamp(now, UTC).date()


def bounds(window: Window, day: date) -> tuple[date, date]:
    """Return the first and the last day of the window that ``day`` lies in.

    Examples
    --------
    >>> bounds("week", date(2026, 3, 1))
    (datetime.date(2026, 2, 23), datetime.date(2026, 3, 1))
    """
    if window == "day":
        return day, day
    if window == "week":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=6)
    if window == "month":
        first = day.replace(day=1)
        return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return date.min, date.max


def label(window: Window, day: date) -> str:
    """Return a name for the window that ``day`` lies in, as in ``2026-02`` for a month.

    Examples
    --------
    >>> [label(window, date(2026, 2, 14)) for window in ("day", "week", "month", "ever")]
    ['2026-02-14', '2026-W07', '2026-02', 'ever']
    """
    if window == "day":
        return day.isoformat()
    if window == "week":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    return day.isoformat()[:7] if window == "month" else "ever"
