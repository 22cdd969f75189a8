"""Labels drawn whatever their class."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fedsa.data.draw import at_random


@given(st.integers(0, 99), st.integers(1, 6), st.integers(1, 60), st.data())
def test_so_many_items_once_each_and_every_class_among_them(
    seed: int, classes: int, more: int, data: st.DataObject
) -> None:
    numbers = np.random.default_rng(seed)
    truth = numbers.permutation(
        np.concatenate([np.arange(classes), numbers.integers(classes, size=more)])
    )
    count = data.draw(st.integers(classes, len(truth)))
    found = at_random(np.random.default_rng(seed), truth, count)
    assert len(found) == count == len(set(found.tolist()))
    assert (np.diff(found) > 0).all() and found.min() >= 0 and found.max() < len(truth)
    assert set(truth[found]) == set(range(classes))


def test_every_item_is_as_likely_where_no_class_can_be_missed() -> None:
    truth = np.repeat([0, 1], [10, 30])
    drawn = np.concatenate(
        [at_random(np.random.default_rng(seed), truth, 20) for seed in range(600)]
    )
    shares = np.bincount(drawn, minlength=40) / 600
    assert abs(shares - 0.5).max() < 0.09  # 4.4 standard errors
    of_first = [
        (truth[at_random(np.random.default_rng(s), truth, 20)] == 0).sum() for s in range(99)
    ]
    assert len(set(of_first)) > 3  # the classes' counts vary, as they do in life
