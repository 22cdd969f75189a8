from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedsa.runs.intervals import interval


def test_one_to_five_by_hand() -> None:
    # mean 3, s = sqrt(2.5), t(.975, 4) = 2.776445 from a printed table
    found = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found is not None
    assert found.mean == 3.0
    assert found.half == pytest.approx(2.776445 * math.sqrt(2.5 / 5), abs=1e-5)
    assert found.excludes_zero


def test_one_value_has_no_interval_and_none_has_no_mean() -> None:
    one = interval([0.7])
    assert one is not None and one.mean == 0.7 and one.half is None and not one.excludes_zero
    assert interval([]) is None


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        interval([1.0, math.nan])


@given(st.lists(st.integers(-10_000, 10_000), min_size=2, max_size=12, unique=True))
def test_agrees_with_scipy(hundredths: list[int]) -> None:
    values = [value / 100 for value in hundredths]
    found = interval(values)
    assert found is not None and found.half is not None
    low, high = stats.t.interval(
        0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values)
    )
    assert found.mean - found.half == pytest.approx(low, abs=1e-9)
    assert found.mean + found.half == pytest.approx(high, abs=1e-9)
