"""Figures of a ranking, by hand and by what they may not depend on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsa.tables.selection.figures import by_lot, over_seeds, ranking, ranks

GAINS = {"a": 0.05, "b": 0.02, "c": 0.01, "d": -0.01, "e": -0.04}


def test_the_truth_ranks_itself_without_fault() -> None:
    found = ranking(GAINS, GAINS)
    assert (found.tau, found.regret, found.precision) == (pytest.approx(1.0), 0.0, 1.0)
    worst = ranking({name: -gain for name, gain in GAINS.items()}, GAINS)
    assert worst.tau == pytest.approx(-1.0)
    assert worst.regret == pytest.approx(0.09)
    assert worst.precision == pytest.approx(1 / 3)  # the first three of five: e, d and c


def test_exchanges_among_the_first_weigh_more() -> None:
    first = ranking(dict(zip(GAINS, (4, 5, 3, 2, 1), strict=True)), GAINS)
    last = ranking(dict(zip(GAINS, (5, 4, 3, 1, 2), strict=True)), GAINS)
    assert first.tau < last.tau < 1.0
    assert (first.regret, last.regret) == (pytest.approx(0.03), 0.0)


def test_equal_scores_count_as_the_mean_over_orders() -> None:
    found = ranking(dict.fromkeys(GAINS, 1.0), GAINS)
    assert found.tau == 0.0
    assert found.regret == pytest.approx(0.05 - sum(GAINS.values()) / 5)
    assert found.precision == pytest.approx(3 / 5)
    nobody = ranking({"a": 1.0, "b": 2.0}, {"a": -0.1, "b": -0.2})
    assert (nobody.precision, nobody.regret) == (1.0, pytest.approx(0.1))


def test_lots_rank_nothing() -> None:
    found = by_lot(GAINS, 0)
    assert abs(found.tau) < 0.1 and found == by_lot(GAINS, 0)
    assert found.precision == pytest.approx(0.6, abs=0.06)
    assert found.regret == pytest.approx(0.05 - sum(GAINS.values()) / 5, abs=0.01)


@given(
    st.lists(st.integers(-50, 50), min_size=3, max_size=12),
    st.integers(1, 9),
    st.randoms(use_true_random=False),
)
def test_only_the_order_of_scores_counts(values: list[int], factor: int, lot: object) -> None:
    gains = {str(i): 0.01 * ((7 * i) % 12 - 4) for i in range(len(values))}
    scores = {str(i): float(value) for i, value in enumerate(values)}
    found = ranking(scores, gains)
    assert -1.0 <= found.tau <= 1.0 + 1e-12 and found.regret >= 0 and 0 <= found.precision <= 1
    scaled = ranking({name: factor * value**3 + 5 for name, value in scores.items()}, gains)
    assert scaled.tau == pytest.approx(found.tau)
    assert scaled.regret == pytest.approx(found.regret)
    assert scaled.precision == pytest.approx(found.precision)


def test_equal_values_share_their_place() -> None:
    assert ranks({"a": 0.1, "b": 0.3, "c": 0.1, "d": 0.0}) == {"a": 2.5, "b": 1, "c": 2.5, "d": 4}


def test_pools_of_a_seed_count_as_one() -> None:
    found = over_seeds([[0.0, 1.0], [0.5, 0.5], []])
    assert found is not None and (found.mean, found.half, found.count) == (0.5, 0.0, 2)
