"""Classification against values computed by hand."""

from __future__ import annotations

import math

import torch

from fedsa.task import Classification, Task

TASK = Classification(("cat", "dog"))
RAW = torch.tensor([[0.0, math.log(3.0)], [math.log(4.0), 0.0]])


def test_it_is_a_task() -> None:
    assert isinstance(TASK, Task)
    assert (TASK.kind, TASK.outputs) == ("classification", 2)


def test_answers_are_distributions() -> None:
    expected = torch.tensor([[0.25, 0.75], [0.8, 0.2]])
    torch.testing.assert_close(TASK.answer(RAW), expected)


def test_the_loss_is_in_nats_for_classes_and_for_shares() -> None:
    by_class = -(math.log(0.75) + math.log(0.2)) / 2
    torch.testing.assert_close(TASK.loss(RAW, torch.tensor([1, 1])), torch.tensor(by_class))
    shares = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    soft = -(0.5 * math.log(0.25) + 0.5 * math.log(0.75) + math.log(0.8)) / 2
    torch.testing.assert_close(TASK.loss(RAW, shares), torch.tensor(soft))


def test_the_metric_is_the_share_of_hits() -> None:
    assert TASK.metric(RAW, torch.tensor([1, 1])) == 0.5
    assert TASK.metric(RAW, torch.tensor([1, 0])) == 1.0
