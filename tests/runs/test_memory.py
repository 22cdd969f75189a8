"""What is written of a round is what is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fedsa.runs.memory import Account, Memory
from fedsa.saliency.compact import CompactMaps
from fedsa.selection.base import Selection


def full() -> Memory:
    shared = torch.randn(3, 4)
    return Memory(
        round=3,
        state={"trunk.0.weight": shared, "view.of.it": shared[:2], "turned": shared.T},
        student_answers=torch.rand(5, 3),
        student_maps=CompactMaps(np.arange(12, dtype=np.uint8).reshape(2, 6) % 16, 4),
        marks={"marks.a": torch.tensor([1, 0], dtype=torch.uint8), "b": torch.zeros(2).byte()},
        selection=Selection(
            {"a": 1 / 3, "b": 2 / 3}, {"a": 0.1, "b": -2.0}, {"a": {"looks": 0.5}}, {"b": "why"}
        ),
        history=[{"round": 3, "selected": ["a"], "student": None, "facts": {"loss": 0.1}}],
        views={"coverage": torch.rand(2, 2)},
        accounts={"a": Account(3, 10, 20)},
        seconds={"query": 0.5},
        fingerprints={"a": "0" * 64},
    )


def test_a_round_trip(tmp_path: Path) -> None:
    memory = full()
    memory.save(tmp_path)
    found = Memory.load(tmp_path)
    for name in ("state", "marks", "views"):
        before, after = getattr(memory, name), getattr(found, name)
        assert before.keys() == after.keys()
        for key in before:
            assert torch.equal(before[key], after[key]) and before[key].dtype == after[key].dtype
    assert memory.student_answers is not None and found.student_answers is not None
    assert torch.equal(memory.student_answers, found.student_answers)
    assert memory.student_maps is not None and found.student_maps is not None
    np.testing.assert_array_equal(memory.student_maps.values, found.student_maps.values)
    assert found.student_maps.bits == 4
    plain = ("round", "selection", "history", "accounts", "seconds", "fingerprints")
    for name in plain:
        assert getattr(memory, name) == getattr(found, name)
    assert {path.name for path in tmp_path.iterdir()} == {"memory.json", "memory.safetensors"}


def test_an_empty_one_too(tmp_path: Path) -> None:
    Memory().save(tmp_path)
    assert Memory.load(tmp_path) == Memory()


def test_charges_add_up() -> None:
    memory = Memory()
    memory.charge("a", 3, 100, 10)
    memory.charge("a", 2, 5, 1)
    assert memory.accounts == {"a": Account(5, 105, 11)}


def test_time_is_kept_even_when_the_block_fails() -> None:
    memory = Memory(seconds={"query": 5.0})
    with pytest.raises(RuntimeError), memory.timed("query"):
        raise RuntimeError
    with memory.timed("fusion"):
        pass
    assert memory.seconds["query"] >= 5.0 and 0.0 <= memory.seconds["fusion"] < 5.0
