"""Values from 0 to 1: losses and metrics against values computed by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedsa.task import Classification, MultiLabel, Regression, Segmentation, Several, Task

NAMES = ("a", "b", "c", "d")


def raw(values: list[list[float]]) -> torch.Tensor:
    return torch.tensor(values).logit()


@pytest.mark.parametrize("task", [MultiLabel(NAMES), Regression(NAMES), Segmentation.of(2, 2)])
def test_each_is_a_task_that_answers_with_values(task: Task) -> None:
    assert isinstance(task, Task) and not task.distributions
    assert task.outputs == task.width == len(task.names) == 4
    values = torch.rand(5, 4) * 0.98 + 0.01
    torch.testing.assert_close(task.answer(task.raw(values)), values)
    torch.testing.assert_close(task.truth(values), values)


@given(st.floats(0.0, 1.0))
def test_raw_outputs_are_finite_even_of_what_is_certain(value: float) -> None:
    for task in (MultiLabel(("a",)), Classification(("a", "b"))):
        answer = torch.tensor([[value] if task.outputs == 1 else [value, 1.0 - value]])
        assert bool(torch.isfinite(task.raw(answer)).all())
        torch.testing.assert_close(task.answer(task.raw(answer)), answer, atol=1e-5, rtol=0)


def test_regression_by_hand() -> None:
    task, target = Regression(("x", "y")), torch.tensor([[0.0, 0.5], [1.0, 0.5], [0.5, 0.8]])
    found = torch.tensor([[0.1, 0.6], [0.9, 0.6], [0.5, 0.6]])
    squares = (0.01 + 0.01 + 0.0 + 0.01 + 0.01 + 0.04) / 6
    assert math.isclose(float(task.loss(found.logit(), target)), 12 * squares, rel_tol=1e-4)
    first = 1 - 0.02 / 0.5  # the second explains nothing: 0.06 of 0.06
    assert math.isclose(task.metric(found.logit(), target), (first + 0.0) / 2, abs_tol=1e-6)


def test_who_answers_the_mean_explains_nothing_and_who_is_worse_is_not_below_zero() -> None:
    task, target = Regression(("x",)), torch.rand(50, 1)
    mean = target.mean().expand(50, 1)
    assert task.metric(mean.logit(), target) < 1e-6
    assert task.metric((1 - target).logit(), target) == 0.0
    assert task.metric(target.logit(), target) > 0.9999


def test_segmentation_by_hand() -> None:
    target = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    found = raw([[0.9, 0.2, 0.7, 0.1], [0.1, 0.1, 0.1, 0.4]])
    task = Segmentation.of(2, 2)
    assert math.isclose(task.metric(found, target), (1 / 3 + 1.0) / 2)
    wrong = -math.log(0.9) - math.log(0.2) - math.log(0.3) - math.log(0.9)
    wrong += -3 * math.log(0.9) - math.log(0.6)
    assert math.isclose(float(task.loss(found, target)), wrong / 8, rel_tol=1e-5)


def test_the_share_of_labels_told_right() -> None:
    found, target = raw([[0.9, 0.2], [0.4, 0.4]]), torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    assert MultiLabel(("a", "b")).metric(found, target) == 0.75


def several() -> Several:
    return Several({"kind": Classification(("p", "q", "r")), "place": Regression(("x", "y"))})


def test_several_heads_stand_side_by_side() -> None:
    task, labels = several(), torch.tensor([[2.0, 0.1, 0.9], [0.0, 0.5, 0.4]])
    assert isinstance(task, Task) and (task.outputs, task.width) == (5, 3)
    kind, place = task.heads
    assert kind.labels(labels).tolist() == [2, 0] and kind.labels(labels).dtype == torch.int64
    assert torch.equal(place.labels(labels), labels[:, 1:])
    assert (kind.columns, place.columns) == (slice(0, 3), slice(3, 5))
    expected = torch.tensor([[0.0, 0.0, 1.0, 0.1, 0.9], [1.0, 0.0, 0.0, 0.5, 0.4]])
    torch.testing.assert_close(task.truth(labels), expected)
    assert task.names == ("kind: p", "kind: q", "kind: r", "place: x", "place: y")


def test_the_loss_of_several_is_the_sum_for_labels_as_for_answers() -> None:
    task, labels = several(), torch.tensor([[2.0, 0.1, 0.9], [0.0, 0.5, 0.4]])
    found = torch.randn(2, 5)
    first = Classification(("p", "q", "r")).loss(found[:, :3], torch.tensor([2, 0]))
    second = Regression(("x", "y")).loss(found[:, 3:], labels[:, 1:])
    torch.testing.assert_close(task.loss(found, labels), first + second)
    torch.testing.assert_close(task.loss(found, task.truth(labels)), first + second)


def test_the_metric_of_several_is_the_mean_of_the_heads() -> None:
    task, labels = several(), torch.tensor([[2.0, 0.1, 0.9], [0.0, 0.5, 0.4], [1.0, 0.9, 0.1]])
    perfect = task.raw(task.truth(labels))
    assert task.metrics(perfect, labels) == pytest.approx({"kind": 1.0, "place": 1.0})
    wrong = perfect.clone()
    wrong[:, :3] = wrong[:, :3].roll(1, dims=1)
    assert task.metrics(wrong, labels) == pytest.approx({"kind": 0.0, "place": 1.0})
    assert task.metric(wrong, labels) == pytest.approx(0.5)


def test_several_can_be_moved_only_if_all_can() -> None:
    still, moving = Classification(("a", "b")), Classification(("l", "r"), invariant=False)
    assert Several({"a": still}).invariant
    assert not Several({"a": still, "b": moving}).invariant
