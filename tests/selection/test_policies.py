"""Policies: weights that sum to one, are sparse where they should be, and draw as they say."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedsa.options import SelectionOptions
from fedsa.selection.policies import adaptive, softmax, top_k, weights

SCORES = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=3), st.floats(-5, 5), min_size=1, max_size=9
)


@pytest.mark.parametrize("policy", ["adaptive", "softmax", "top-k"])
@given(scores=SCORES, k=st.integers(0, 12))
def test_weights_are_a_distribution_over_the_teachers(
    policy: str, scores: dict[str, float], k: int
) -> None:
    found = weights(scores, SelectionOptions(policy=policy, k=k), 0, 1)  # type: ignore[arg-type]
    assert set(found) <= set(scores)
    assert all(weight >= 0 for weight in found.values())
    assert math.fsum(found.values()) == pytest.approx(1.0)
    taken = sum(weight > 0 for weight in found.values())
    if policy != "adaptive":
        assert taken == min(len(scores), k or math.ceil(len(scores) / 2))


def test_nobody_in_reach_is_nobody_selected() -> None:
    assert weights({}, SelectionOptions(), 0, 1) == {}


def test_adaptive_by_hand() -> None:
    # Better half of (1, 1, .54, .2): the standard is 1. Full from .7, nothing up to .3.
    found = adaptive({"a": 1.0, "b": 1.0, "c": 0.54, "d": 0.2, "e": -3.0})
    total = 1 + 1 + 0.6
    assert found == pytest.approx(
        {"a": 1 / total, "b": 1 / total, "c": 0.6 / total, "d": 0, "e": 0}
    )


@given(SCORES, st.floats(0.01, 100))
def test_adaptive_sees_ratios_only_and_keeps_the_order(
    scores: dict[str, float], scale: float
) -> None:
    found = adaptive(scores)
    scaled = adaptive({name: scale * score for name, score in scores.items()})
    for name in scores:
        assert scaled[name] == pytest.approx(found[name], abs=1e-6)
        assert all(found[name] >= found[other] for other in scores if scores[name] > scores[other])


def test_adaptive_without_any_use_takes_all_alike() -> None:
    assert adaptive({"a": 0.0, "b": -1.0}) == {"a": 0.5, "b": 0.5}


def test_top_k_breaks_ties_by_name() -> None:
    assert top_k({"b": 1.0, "a": 1.0, "c": 2.0}, 2) == {"c": 0.5, "a": 0.5}


def test_softmax_draws_with_the_odds_of_its_temperature() -> None:
    generator = torch.Generator().manual_seed(0)
    # Standardised, the two scores are at +1 and -1; T = 2 gives odds of e to 1.
    drawn = [next(iter(softmax({"a": 3.0, "b": 1.0}, 1, 2.0, generator))) for _ in range(4000)]
    assert drawn.count("a") / 4000 == pytest.approx(math.e / (1 + math.e), abs=0.025)


def test_softmax_is_seeded_by_run_and_round() -> None:
    scores = {name: float(i) / 10 for i, name in enumerate("abcdefghij")}
    options = SelectionOptions(policy="softmax", k=3)
    assert weights(scores, options, 5, 2) == weights(scores, options, 5, 2)
    assert len({tuple(sorted(weights(scores, options, 5, r))) for r in range(1, 9)}) > 1
