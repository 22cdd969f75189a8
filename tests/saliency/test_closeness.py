"""Closeness of looks: invariants, and FedSA's published score by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsa.errors import DataError
from fedsa.saliency.closeness import closeness, published
from fedsa.saliency.compact import compact

SEEDS = st.integers(0, 10**6)


def looks(seed: int, items: int = 6, cells: int = 9) -> np.ndarray:
    return np.random.default_rng(seed).random((items, cells))


@given(SEEDS, SEEDS)
def test_symmetric_and_bounded(first: int, second: int) -> None:
    a, b = looks(first), looks(second)
    assert closeness(a, b) == pytest.approx(closeness(b, a), abs=1e-12)
    assert -1.0 <= closeness(a, b) <= 1.0
    assert 1.0 <= published(a, b) <= 2.0


@given(SEEDS)
def test_identical_looks_are_at_one(seed: int) -> None:
    assert closeness(looks(seed), looks(seed)) == pytest.approx(1.0)
    assert published(looks(seed), looks(seed)) == pytest.approx(1.0)


@given(SEEDS, st.floats(1e-20, 1e20))
def test_scale_of_each_map_means_nothing(seed: int, scale: float) -> None:
    a, b = looks(seed), looks(seed + 1)
    scales = np.linspace(1, 2, len(a))[:, None] * scale
    assert closeness(a * scales, b) == pytest.approx(closeness(a, b), abs=1e-9)


@given(SEEDS)
def test_looking_at_the_same_place_whatever_comes_says_nothing(seed: int) -> None:
    always = np.repeat(looks(seed, items=1), 6, axis=0)
    assert closeness(always, looks(seed + 1)) == 0.0
    assert closeness(always, always) == 0.0


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_flat_maps_contribute_nothing_and_shift_no_mean(value: float) -> None:
    a, b = looks(0), looks(1)
    a[2] = value
    rest = [0, 1, 3, 4, 5]
    centred = a[rest] / a[rest].sum(1, keepdims=True), b / b.sum(1, keepdims=True)
    left, right = centred[0] - centred[0].mean(0), (centred[1] - centred[1].mean(0))[rest]
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    assert closeness(a, b) == pytest.approx(((left * right).sum(1) / norms).sum() / 6)
    flat = np.full_like(a, value)
    assert closeness(flat, b) == closeness(flat, flat) == 0.0
    assert published(flat, b) == pytest.approx(2.0)


def test_opposite_looks_are_at_minus_one() -> None:
    a = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert closeness(a, a[::-1]) == pytest.approx(-1.0)


def test_centring_tells_apart_what_raw_cosines_do_not() -> None:
    # Two networks share a strong habit (the first cells) and nothing else.
    habit = np.array([20.0] * 3 + [0.0] * 6)
    a, b = looks(3, items=200) + habit, looks(4, items=200) + habit
    raw = 2 / published(a, b) - 1
    assert raw > 0.95
    assert abs(closeness(a, b)) < 0.1


def test_published_score_by_hand() -> None:
    a = np.array([[0.0, 1.0, 0.0], [3.0, 1.0, 1.0]])
    b = np.array([[0.0, 0.0, 1.0], [2.0, 0.0, 0.0]])
    # Min-max: (0,1,0)|(0,0,1) have the cosine 0; (1,0,0)|(1,0,0) have 1. t = 2 / (1/2 + 1).
    assert published(a, b) == pytest.approx(4 / 3)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_compact_maps_arrays_and_tensors_agree(seed: int) -> None:
    maps = torch.from_numpy(looks(seed, 8, 49)).view(8, 7, 7)
    small = compact(maps, 7, 8)
    exact = closeness(maps.flatten(1), looks(seed + 1, 8, 49))
    assert closeness(small, looks(seed + 1, 8, 49)) == pytest.approx(exact, abs=0.02)
    assert closeness(small.dense(), small) == pytest.approx(1.0)


def test_different_probes_or_grids_are_refused() -> None:
    with pytest.raises(DataError, match="same items and cells"):
        closeness(looks(0, 5), looks(0, 6))
    with pytest.raises(DataError, match="finite"):
        closeness(looks(0) * np.nan, looks(0))
