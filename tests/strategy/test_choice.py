"""What a selector of one's own may return."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsa.errors import RunError
from fedsa.selection.base import Selection
from fedsa.strategy.choice import checked

HERE = ("a", "b", "c")


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {"a": 0.0},
        {"a": 0.5},
        {"a": 0.7, "b": 0.7},
        {"a": 1.5, "b": -0.5},
        {"a": float("nan")},
        {"a": float("nan"), "b": 1.0},
        {"a": float("inf")},
    ],
)
def test_weights_must_be_shares(weights: dict[str, float]) -> None:
    with pytest.raises(RunError, match="sum to one"):
        checked(Selection(weights, {}), HERE)


@pytest.mark.parametrize("returned", [None, {"a": 1.0}, Selection({"a": "all"}, {})])  # type: ignore[dict-item]
def test_other_things_are_no_selection(returned: Any) -> None:
    with pytest.raises(RunError, match="no Selection"):
        checked(returned, HERE)


def test_a_stranger_is_named() -> None:
    with pytest.raises(RunError, match=r"'z', which is not among .* a, b, c"):
        checked(Selection({"a": 0.5, "z": 0.5}, {}), HERE)
    assert checked(Selection({"a": 1.0, "z": 0.0}, {}), HERE).selected == ("a",)


def test_numbers_become_plain() -> None:
    """So that the checkpoint, which is JSON, can hold whatever numbers a selector made."""
    third = np.float32(1 / 3)
    found = checked(
        Selection(dict.fromkeys(HERE, third), {"a": np.float32(2)}, {"a": {"x": np.int64(3)}}), HERE
    )
    assert {type(w) for w in found.weights.values()} == {float}
    assert found.scores == {"a": 2.0} and found.evidence == {"a": {"x": 3.0}}
    assert type(found.evidence["a"]["x"]) is float
