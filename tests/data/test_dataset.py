"""What a dataset must be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsa.data.dataset import Dataset
from fedsa.errors import DataError


def make(**changes: Any) -> Dataset:
    parts: dict[str, Any] = {
        "name": "toy",
        "inputs": np.zeros((4, 1, 8, 8), np.uint8),
        "labels": np.array([0, 1, 0, 1]),
        "classes": ("cat", "dog"),
        "test_inputs": np.zeros((1, 1, 8, 8), np.uint8),
        "test_labels": np.array([1]),
    }
    return Dataset(**(parts | changes))


def test_a_sound_one_passes_and_knows_its_shape() -> None:
    assert make().shape == (1, 8, 8)
    table = make(inputs=np.ones((4, 3), np.float32), test_inputs=np.ones((1, 3), np.float32))
    assert table.shape == (3,)


def test_a_test_set_may_be_empty() -> None:
    empty = make(test_inputs=np.zeros((0, 1, 8, 8), np.uint8), test_labels=np.zeros(0, np.int64))
    assert len(empty.test_inputs) == 0


NAN = np.ones((4, 3), np.float32)
NAN[2, 1] = np.nan


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"inputs": np.zeros((4, 8, 8), np.uint8)}, r"images are \(n, C, H, W\)"),
        ({"inputs": np.zeros((4, 3))}, "are float64"),
        ({"inputs": np.zeros(4, np.float32)}, r"\(n, ...\) is needed"),
        ({"inputs": NAN}, "NaN or infinite values, first in item 2"),
        ({"inputs": np.zeros((4, 1, 0, 8), np.uint8)}, "holds no numbers"),
        ({"inputs": np.zeros((0, 1, 8, 8), np.uint8), "labels": np.zeros(0, int)}, "no items"),
        ({"labels": np.array([0, 1, 2, 1])}, "hold 2, but the 2 classes"),
        ({"labels": np.array([0, -2, 0, 1])}, r"hold -2, .* 0 to 1 \(-1: not known\)"),
        ({"labels": np.array([0, 1, 0])}, r"int64 of shape \(4,\)"),
        ({"labels": np.array([0.0, 1, 0, 1])}, "labels are float64"),
        ({"classes": ("cat", "cat")}, "'cat' twice"),
        ({"classes": ()}, "at least one class"),
        ({"test_inputs": np.zeros((1, 3, 8, 8), np.uint8)}, "both must be alike"),
        ({"test_labels": np.array([7])}, "test_labels hold 7"),
        ({"test_labels": np.array([-1])}, "test_labels hold -1"),
    ],
)
def test_each_fault_is_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        make(**changes)
