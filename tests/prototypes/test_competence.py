"""Competence: high where a teacher is sure on the prototypes around, nought where nobody asked."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsa.problem import Answers
from fedsa.prototypes.competence import clusters, competence, confidence


def test_confidence_is_what_an_answer_removes_of_the_entropy() -> None:
    rows = torch.tensor([[1.0, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0], [math.nan] * 4])
    expected = torch.tensor([1.0, 0.0, 0.5, 0.0])
    found = confidence(Answers({"one": rows}), "one")
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    single = Answers({"one": torch.tensor([[1.0], [math.nan]])})
    assert confidence(single, "one").tolist() == [1.0, 0.0]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 30), st.integers(0, 10**6))
def test_competence_stays_between_nought_and_one(classes: int, items: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = (3 * torch.randn(items, classes, generator=generator)).softmax(dim=1)
    a = torch.randn(items, 4, generator=generator).softmax(dim=1)
    (found,) = competence(Answers({"one": rows}), a, {"one": 1.0}).values()
    assert found.shape == (items,) and bool(((found >= 0) & (found <= 1 + 1e-6)).all())


def test_a_teacher_counts_where_its_neighbours_are_sure() -> None:
    """Two prototypes of three items: one answer in doubt among the sure ones counts like them."""
    a = torch.eye(2).repeat_interleave(3, dim=0)
    sure, doubt = [1.0, 0.0], [0.5, 0.5]
    rows = torch.tensor([sure, sure, doubt, doubt, doubt, doubt])
    found = competence(Answers({"one": rows}), a, {"one": 1.0})["one"]
    torch.testing.assert_close(found, torch.tensor([2 / 3] * 3 + [0.0] * 3), atol=1e-5, rtol=0)


def test_who_was_asked_less_is_not_less_competent() -> None:
    a = torch.eye(2).repeat_interleave(4, dim=0)
    sure = torch.tensor([[1.0, 0.0]]).repeat(8, 1)
    half, never = sure.clone(), sure.clone()
    half[1::2] = torch.nan
    never[4:] = torch.nan  # of the second prototype's items
    answers = Answers({"all": sure, "half": half, "never": never})
    found = competence(answers, a, dict.fromkeys(answers, 1.0))
    torch.testing.assert_close(found["half"], found["all"])
    torch.testing.assert_close(found["never"], torch.tensor([1.0] * 4 + [0.0] * 4))


def test_clusters_find_the_kinds_the_same_way_again() -> None:
    generator = torch.Generator().manual_seed(0)
    kind = torch.arange(90) % 3
    columns = 10 * torch.eye(3)[kind] + torch.randn(90, 3, generator=generator)
    found = clusters(columns, 3, seed=4)
    torch.testing.assert_close(found, clusters(columns, 3, seed=4), atol=0, rtol=0)
    assert bool((found.sum(dim=1) == 1).all())
    together = found @ found.T
    assert torch.equal(together, (kind[:, None] == kind).float())


@pytest.mark.filterwarnings("error")
def test_fewer_kinds_of_items_than_prototypes_leave_some_empty() -> None:
    found = clusters(torch.tensor([[0.0], [1.0], [0.0]]), 5, seed=0)
    assert found.shape == (3, 5) and torch.equal(found[0], found[2])
    assert int((found.sum(dim=0) > 0).sum()) == 2
