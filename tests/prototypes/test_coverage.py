"""Items that stand for all: every kind once, with the share that it has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsa.prototypes import coverage
from fedsa.prototypes.coverage import cover


def blobs(sizes: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return tight clusters far apart, and which cluster each item is of, shuffled."""
    rng = np.random.default_rng(seed)
    kind = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = 10.0 * np.eye(len(sizes))
    return centres[kind] + 0.3 * rng.normal(size=(len(kind), len(sizes))), kind


def test_rare_kinds_are_covered_and_count_for_their_share() -> None:
    features, kind = blobs([500, 100, 20, 5])
    found = cover(features, 4, seed=0)
    assert kind[found.items].tolist() == [0, 1, 2, 3]  # the largest first
    assert found.masses.tolist() == pytest.approx([500 / 625, 100 / 625, 20 / 625, 5 / 625])
    assert np.array_equal(kind[found.items][found.home], kind)


def test_of_each_kind_a_typical_item_is_chosen() -> None:
    features, kind = blobs([200, 200])
    found = cover(features, 2, seed=0)
    for item in found.items:
        own = features[kind == kind[item]]
        distance = np.linalg.norm(own - own.mean(axis=0), axis=1)
        chosen = np.linalg.norm(features[item] - own.mean(axis=0))
        assert chosen < np.quantile(distance, 0.3)


def test_a_sample_of_many_items_finds_the_same_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "SAMPLE", 200)
    features, kind = blobs([900, 300, 100])
    found = cover(features, 3, seed=1)
    assert kind[found.items].tolist() == [0, 1, 2]
    assert found.masses.tolist() == pytest.approx([9 / 13, 3 / 13, 1 / 13])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 4), st.integers(0, 1000), st.data())
def test_as_many_different_items_as_asked_for_and_masses_sum_to_one(
    items: int, width: int, seed: int, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, items))
    coarse = data.draw(st.booleans())  # many equal items
    features = np.random.default_rng(seed).normal(size=(items, width))
    found = cover(features.round() if coarse else features, count, seed)
    assert len(set(found.items.tolist())) == count == len(found.masses)
    assert found.masses.sum() == pytest.approx(1.0) and (found.masses >= 0).all()
    assert np.allclose(np.bincount(found.home, minlength=count) / items, found.masses)
