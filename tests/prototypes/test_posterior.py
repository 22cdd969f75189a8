"""The task among the prototypes, computed by hand."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsa.prototypes.posterior import PRIOR, TRANSFER, concentration, emissions, task_emission
from fedsa.task import Classification, Regression, Several


def test_the_posterior_by_hand() -> None:
    """Three items, two prototypes, two classes; alpha_0 = 1, rho = 1/2.

    alpha[0] = 1 + (1, 0) + 1/2 (1 (1, 0) + 1/2 (1/2, 1/2) + 0) = (2.625, 1.125)
    alpha[1] = 1 + (0, 0) + 1/2 (0 + 1/2 (1/2, 1/2) + 1 (0, 1)) = (1.125, 1.625)
    """
    a = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    beliefs = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    found = task_emission(a, torch.tensor([0]), torch.tensor([0]), beliefs, 1.0, 0.5)
    expected = torch.tensor([[2.625, 1.125], [1.125, 1.625]])
    torch.testing.assert_close(found, expected / expected.sum(dim=1, keepdim=True))


def test_an_unused_prototype_is_even() -> None:
    a = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    found = task_emission(a, torch.tensor([0]), torch.tensor([2]), torch.eye(3)[[2, 2]])
    torch.testing.assert_close(found[1], torch.full((3,), 1 / 3))
    assert float(found[0, 2]) > 1 - 3 * PRIOR


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 9), st.integers(1, 5), st.integers(2, 5), st.integers(0, 1000))
def test_rows_are_distributions_and_a_label_pulls_its_class_up(
    items: int, prototypes: int, classes: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(items, prototypes, generator=generator).softmax(dim=1)
    beliefs = torch.randn(items, classes, generator=generator).softmax(dim=1)
    nothing = torch.empty(0, dtype=torch.long)
    before = task_emission(a, nothing, nothing, beliefs)
    after = task_emission(a, torch.tensor([1]), torch.tensor([0]), beliefs)
    for found in (before, after):
        assert found.shape == (prototypes, classes) and bool((found > 0).all())
        torch.testing.assert_close(found.sum(dim=1), torch.ones(prototypes))
    assert bool((after[:, 0] >= before[:, 0] - 1e-6).all())
    assert float(after[:, 0].sum()) > float(before[:, 0].sum())


def test_the_concentration_has_the_mean_given_and_the_mass_of_the_closed_form() -> None:
    """The mass of the first test's alpha: 3.75 and 2.75."""
    a = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    emission = torch.tensor([[0.9, 0.1], [0.5, 0.5]])
    found = concentration(emission, a, torch.tensor([0]), 1.0, 0.5)
    torch.testing.assert_close(found, emission * torch.tensor([[3.75], [2.75]]))


def test_emissions_of_several_heads_stand_side_by_side() -> None:
    """Of values they are means of what falls to a prototype; the prior holds where nothing does."""
    task = Several({"kind": Classification(("a", "b")), "size": Regression(("size",))})
    a = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    labelled, labels = torch.tensor([0]), torch.tensor([[1.0, 0.8]])
    about = torch.tensor([[0.0, 1.0, 0.8], [0.4, 0.6, 0.2], [0.9, 0.1, 0.6]])
    found = emissions(task, a, labelled, labels, about)
    kinds = task_emission(a, labelled, torch.tensor([1]), about[:, :2])
    torch.testing.assert_close(found[:, :2], kinds)
    mean = (PRIOR / 2 + 0.8 + TRANSFER * (0.8 + 0.2)) / (PRIOR + 1 + TRANSFER * 2)
    other = (PRIOR / 2 + TRANSFER * 0.6) / (PRIOR + TRANSFER)
    torch.testing.assert_close(found[:, 2], torch.tensor([mean, other, 0.5]))
