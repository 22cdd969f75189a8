"""Answers keep their order and know who answered what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fedsa.data.transfer import TransferSet
from fedsa.options import StudentOptions
from fedsa.problem import Answers, Problem
from fedsa.task import Classification

NAN = float("nan")


def rows(*first: float) -> Tensor:
    """Return two-class rows ``(p, 1 - p)``; NaN stands for an item not asked."""
    p = torch.tensor(first)
    return torch.stack([p, 1 - p], dim=1)


def answers() -> Answers:
    return Answers({"c": rows(0.1, NAN, NAN), "a": rows(0.5, 0.6, NAN), "b": rows(0, NAN, 1)})


def test_teachers_come_in_order_of_their_ids() -> None:
    found = answers()
    assert list(found) == ["a", "b", "c"] and len(found) == 3 and "b" in found
    assert [name for name, _ in found.items()] == ["a", "b", "c"]
    with pytest.raises(KeyError):
        found["d"]


def test_asked_tells_which_items_were_answered() -> None:
    assert answers().asked("a").tolist() == [True, True, False]
    assert answers().asked("b").tolist() == [True, False, True]


def test_among_keeps_marked_answers_and_leaves_out_who_has_none() -> None:
    before = answers()
    marks = {
        "a": torch.tensor([0, 1, 1], dtype=torch.uint8),
        "b": torch.tensor([0, 1, 0], dtype=torch.uint8),  # marked, but not answered
        "z": torch.ones(3, dtype=torch.uint8),
    }
    found = before.among(marks)
    assert list(found) == ["a"]
    assert found.asked("a").tolist() == [False, True, False]
    assert torch.equal(found["a"][1], before["a"][1])
    assert before.asked("a").tolist() == [True, True, False]  # the original is as it was


def test_covered_is_what_somebody_with_weight_answered() -> None:
    found = answers()
    assert found.covered({"a": 0.5, "c": 0.5, "b": 0.0}).tolist() == [0, 1]
    assert found.covered({"b": 1.0}).tolist() == [0, 2]
    assert found.covered({"a": 0.1, "b": 0.9, "unknown": 1.0}).tolist() == [0, 1, 2]


def test_inputs_are_what_networks_take() -> None:
    array = np.array([[[[0, 255]]], [[[51, 102]]]], dtype=np.uint8)
    problem = Problem(
        task=Classification(("x", "y")),
        transfer=TransferSet(array),
        labelled=torch.tensor([1]),
        labels=torch.tensor([0]),
        probe=torch.tensor([0]),
        build=lambda outputs: nn.Linear(2, outputs),
        student=StudentOptions(),
    )
    torch.testing.assert_close(problem.inputs, torch.tensor([[[[0.0, 1.0]]], [[[0.2, 0.4]]]]))
    assert problem.inputs is problem.inputs  # made once


def test_an_item_that_was_chosen_counts_for_what_it_stands_for() -> None:
    """Four labels, three classes, ten of each added: (3 + 10, 1 + 10, 10) / 34 if drawn at random.

    Chosen, with masses .1 .1 .1 and .7: (4 * .3 + 10, 4 * .7 + 10, 10) / 34.
    """
    drawn = Problem(
        task=Classification(("a", "b", "c")),
        transfer=TransferSet(np.zeros((9, 2), np.float32)),
        labelled=torch.arange(4),
        labels=torch.tensor([0, 0, 0, 1]),
        probe=torch.arange(2),
        build=nn.Identity,
        student=StudentOptions(),
    )
    torch.testing.assert_close(drawn.shares, torch.tensor([13.0, 11.0, 10.0]) / 34)
    chosen = replace(drawn, masses=torch.tensor([0.1, 0.1, 0.1, 0.7]))
    torch.testing.assert_close(chosen.shares, torch.tensor([11.2, 12.8, 10.0]) / 34)
