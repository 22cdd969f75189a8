"""Calendar windows: every day is in exactly one, and the edges are where a calendar has them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsa.teacher.policy.windows import bounds, day_of, label

DAYS = st.dates(date(1971, 1, 1), date(2300, 1, 1))
LIMITED = st.sampled_from(["day", "week", "month"])


@given(LIMITED, DAYS)
def test_windows_lie_side_by_side(window: Any, day: date) -> None:
    first, last = bounds(window, day)
    assert first <= day <= last
    assert bounds(window, first) == bounds(window, last) == (first, last)
    assert bounds(window, last + timedelta(days=1))[0] == last + timedelta(days=1)
    assert label(window, first) == label(window, last) != label(window, last + timedelta(days=1))


@pytest.mark.parametrize(
    ("window", "first", "last"),
    [
        ("day", "2024-02-29", "2024-02-29"),
        ("week", "2024-02-26", "2024-03-03"),
        ("month", "2024-02-01", "2024-02-29"),
        ("ever", "0001-01-01", "9999-12-31"),
    ],
)
def test_a_leap_day(window: Any, first: str, last: str) -> None:
    assert [d.isoformat() for d in bounds(window, date(2024, 2, 29))] == [first, last]


def test_a_day_ends_at_midnight_in_utc() -> None:
    midnight = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    assert day_of(midnight - 0.001) == date(2026, 2, 28)
    assert day_of(midnight) == date(2026, 3, 1)


def test_a_week_may_belong_to_the_year_before() -> None:
    assert label("week", date(2027, 1, 1)) == "2026-W53"
