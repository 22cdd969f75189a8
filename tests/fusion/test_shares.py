"""Class shares are told by predictions on the transfer set, not by counting labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fedsa.data.transfer import TransferSet
from fedsa.fusion.shares import shares
from fedsa.options import StudentOptions
from fedsa.problem import Problem
from fedsa.task import Classification

ITEMS = 2000
TRUE = torch.tensor([0.6, 0.3, 0.1])
TEN = torch.tensor([3, 2, 2, 1, 1, 1, 1, 1, 1, 1]) / 14


def world(
    each: int | None, blur: float, seed: int = 0, count: int = 60, true: Tensor = TRUE
) -> tuple[Problem, Tensor]:
    """Return a problem whose items show their class through noise, and the features.

    With ``each`` labels of each class, else ``count`` labels drawn at random.
    """
    generator = torch.Generator().manual_seed(seed)
    classes = len(true)
    truth = torch.multinomial(true, ITEMS, replacement=True, generator=generator)
    noise = torch.randn(ITEMS, classes, generator=generator)
    columns = nn.functional.one_hot(truth).float() + blur * noise
    mixed = torch.randperm(ITEMS, generator=generator)
    if each is None:
        chosen = mixed[:count]
    else:
        chosen = torch.cat([mixed[truth[mixed] == c][:each] for c in range(classes)])
    problem = Problem(
        task=Classification(tuple("abcdefghij"[:classes])),
        transfer=TransferSet(np.zeros((ITEMS, 2), np.float32)),
        labelled=chosen,
        labels=truth[chosen],
        probe=torch.arange(2),
        build=nn.Identity,
        student=StudentOptions(),
    )
    return problem, columns


def found(problem: Problem, columns: Tensor) -> Tensor:
    return shares(problem, columns, torch.arange(ITEMS))


@pytest.mark.parametrize("each", [10, 60])
def test_labels_drawn_by_class_do_not_hide_the_shares(each: int) -> None:
    problem, columns = world(each, blur=0.3)
    torch.testing.assert_close(problem.shares, torch.full((3,), 1 / 3))
    torch.testing.assert_close(found(problem, columns), TRUE, atol=0.04, rtol=0.0)


def test_they_are_nearer_than_counts_of_labels_drawn_at_random() -> None:
    errors = []
    for seed in range(8):
        problem, columns = world(None, 0.3, seed, count=100, true=TEN)
        counted = torch.bincount(problem.labels, minlength=10) / 100
        both = found(problem, columns), counted, problem.shares
        errors.append([float((told - TEN).norm()) for told in both])
    ours, counts, cautious = np.mean(errors, axis=0)
    assert ours < 0.8 * counts and ours < 0.8 * cautious


def test_where_predictions_tell_nothing_shares_are_about_even() -> None:
    problem, columns = world(20, blur=0.3)
    blind = torch.randn(columns.shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(found(problem, blind), torch.full((3,), 1 / 3), atol=0.12, rtol=0.0)


def test_a_few_labels_are_counted_with_caution() -> None:
    problem, columns = world(4, blur=0.3)
    assert torch.equal(found(problem, columns), problem.shares)
    alone = replace(problem, labels=torch.tensor([0] * 10 + [1, 2]))
    assert torch.equal(found(alone, columns), alone.shares)  # two of three cannot be held out


def test_items_that_were_chosen_count_for_what_they_stand_for() -> None:
    """Half of the labelled items of a class lie where hardly any of its items are."""
    problem, columns = world(20, blur=0.2)
    columns = columns.clone()
    rare = torch.arange(60) % 20 >= 10
    columns[problem.labelled[rare]] = columns[problem.labelled[rare]].roll(1, dims=1)
    masses = torch.where(rare, 1e-6, 1.0)
    weighed = found(replace(problem, masses=masses / masses.sum()), columns)
    assert float((weighed - TRUE).norm()) < float((found(problem, columns) - TRUE).norm())


def test_many_labels_may_come_sorted_by_class() -> None:
    problem, columns = world(None, blur=0.3, count=1500)
    order = problem.labels.argsort()
    problem = replace(problem, labelled=problem.labelled[order], labels=problem.labels[order])
    torch.testing.assert_close(found(problem, columns), TRUE, atol=0.03, rtol=0.0)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([15, 25, 80]), st.floats(0.05, 3.0))
def test_shares_are_on_the_simplex_and_repeat(seed: int, count: int, blur: float) -> None:
    problem, columns = world(None, blur, seed, count)
    once = found(problem, columns)
    assert float(once.min()) > 0 and float(once.sum()) == pytest.approx(1.0, abs=1e-5)
    assert torch.equal(once, found(problem, columns))
