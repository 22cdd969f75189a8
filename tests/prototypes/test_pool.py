"""Teachers as emissions over shared prototypes."""

from __future__ import annotations

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsa.prototypes.pool import TeacherEmissions, coverage, spread

sizes = st.lists(st.integers(1, 6), min_size=1, max_size=4)


def simplex(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator).softmax(dim=1)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), sizes)
def test_each_teachers_rows_are_distributions(prototypes: int, widths: list[int]) -> None:
    model = TeacherEmissions(prototypes, widths)
    with torch.no_grad():
        model.scores.mul_(50.0)
    emission = model.emission
    predicted = model(simplex(5, prototypes))
    start = 0
    for width in widths:
        for rows in (emission, predicted):
            block = rows[:, start : start + width]
            assert bool((block >= 0).all())
            torch.testing.assert_close(block.sum(dim=1), torch.ones(len(rows)))
        start += width
    assert emission.shape == (prototypes, start)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), sizes, st.integers(0, 1000))
def test_the_loss_is_the_weighted_sum_of_each_teachers_own(
    prototypes: int, widths: list[int], seed: int
) -> None:
    """Item by item and teacher by teacher; an item not asked adds nothing."""
    model, a = TeacherEmissions(prototypes, widths), simplex(4, prototypes, seed)
    answers = [simplex(4, width, seed + i) for i, width in enumerate(widths)]
    answers[0][2] = 0.0  # not asked
    weights = simplex(1, len(widths), seed)[0]
    expected, emission = 0.0, model.emission.detach()
    for i, block in enumerate(emission.split(list(widths), dim=1)):
        for item in range(4):
            for y in range(widths[i]):
                predicted = sum(float(a[item, m] * block[m, y]) for m in range(prototypes))
                expected -= float(weights[i] * answers[i][item, y]) * math.log(predicted) / 4
    found = model.misfit(a, torch.cat(answers, dim=1), weights)
    assert math.isclose(float(found.detach()), expected, rel_tol=1e-4, abs_tol=1e-5)


def test_fitting_the_emissions_finds_the_teachers_mean_answer_on_each_prototype() -> None:
    """With responsibilities fixed and certain, the best emission is a mean; known in advance."""
    a = torch.eye(2)[torch.tensor([0, 0, 1])]
    answers = torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    model = TeacherEmissions(2, [2])
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        model.misfit(a, answers, torch.ones(1)).backward()
        optimiser.step()
    expected = torch.tensor([[0.7, 0.3], [0.2, 0.8]])
    torch.testing.assert_close(model.emission.detach(), expected, atol=1e-3, rtol=0)


def test_spread_is_highest_when_all_are_used_alike() -> None:
    even = torch.eye(4)
    assert math.isclose(float(spread(even)), math.log(4), rel_tol=1e-5)
    one = torch.eye(4)[torch.zeros(5, dtype=torch.long)]
    assert abs(float(spread(one))) < 1e-5


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.integers(0, 1000))
def test_coverage_is_a_share(items: int, prototypes: int, teachers: int, seed: int) -> None:
    confidence = torch.rand(teachers, items, generator=torch.Generator().manual_seed(seed))
    found = coverage(simplex(items, prototypes, seed), confidence)
    assert found.shape == (teachers, prototypes)
    assert bool(((found >= 0) & (found <= 1 + 1e-5)).all())


def test_coverage_by_hand_and_of_an_empty_prototype() -> None:
    a = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
    found = coverage(a, torch.tensor([[1.0, 0.4], [0.0, 0.0]]))
    expected = torch.tensor([[1.2 / 1.5, 0.4, 0.0], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(found, expected)


def test_teachers_of_values_are_fitted_by_squares_beside_teachers_of_distributions() -> None:
    """Item by item; an item not asked, below zero, adds nothing."""
    model, a = TeacherEmissions(3, [2, 2], [False, True]), simplex(4, 3, 0)
    told, values = simplex(4, 2, 1), torch.rand(4, 2)
    values[1] = -1.0
    weights, emission = torch.tensor([0.3, 2.0]), model.emission.detach()
    assert torch.equal(emission[:, 2:], model.scores[:, 2:].detach().sigmoid())
    predicted = a @ emission
    first = -(told * predicted[:, :2].log()).sum() / 4
    errors = (values - predicted[:, 2:]).square().sum(dim=1)
    second = (errors[0] + errors[2] + errors[3]) / 4
    found = model.misfit(a, torch.cat([told, values], dim=1), weights).detach()
    torch.testing.assert_close(found, 0.3 * first + 2.0 * second)
