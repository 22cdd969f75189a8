"""Certificates against known values, and against many draws of labels on tasks of known risk."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsa.prototypes.certificate import (
    draw_errors,
    hold_out,
    kl_inverse,
    log_moment,
    pac_bayes,
    randomised,
)

DELTA = 0.1


def test_known_values_of_the_kl_inverse() -> None:
    """kl(0 || p) = -log(1 - p); kl(1/4 || 1/2) = log 2 - H(1/4)."""
    assert kl_inverse(0.0, 0.1) == pytest.approx(1 - math.exp(-0.1))
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert kl_inverse(0.25, math.log(2) - entropy) == pytest.approx(0.5)
    assert kl_inverse(0.3, 0.0) == 0.3
    assert kl_inverse(1.0, 0.2) == 1.0
    assert kl_inverse(0.5, 1e6) == 1.0


@given(st.floats(0.0, 0.99), st.floats(1e-4, 3.0))
@settings(max_examples=100, deadline=None)
def test_the_kl_inverse_lies_on_the_kl_ball_and_within_pinsker(error: float, budget: float) -> None:
    found = kl_inverse(error, budget)
    assert error <= found <= min(1.0, error + math.sqrt(budget / 2)) + 1e-9
    if error > 0 and found < 0.999:
        kl = error * math.log(error / found) + (1 - error) * math.log((1 - error) / (1 - found))
        assert kl == pytest.approx(budget, abs=1e-6)


def test_the_moment_by_hand_and_below_maurers_bound() -> None:
    """xi(1) = 2 and xi(2) = 1 + 1/2 + 1."""
    assert log_moment(1) == pytest.approx(math.log(2.0))
    assert log_moment(2) == pytest.approx(math.log(2.5))
    for n in (8, 120, 1000):
        assert math.log(math.sqrt(n)) <= log_moment(n) <= math.log(2 * math.sqrt(n))


def test_the_hold_out_bound_by_hand() -> None:
    """No error in n labels: (1 - p)^n = delta. The bound of 10 in 100 is in any table."""
    assert hold_out(0, 20, 0.05) == pytest.approx(1 - 0.05 ** (1 / 20))
    assert hold_out(10, 100, 0.05) == pytest.approx(0.1637, abs=1e-4)
    assert hold_out(7, 7, 0.05) == 1.0


def test_one_predictor_without_choice_pays_no_divergence() -> None:
    wrong = torch.zeros(1, 50, dtype=torch.bool)
    wrong[0, :5] = True
    found = randomised(wrong, DELTA)
    assert (found.error, found.divergence) == (pytest.approx(0.1), 0.0)
    assert found.bound == pytest.approx(pac_bayes(0.1, 0.0, 50, DELTA))
    assert found.bound > hold_out(5, 50, DELTA)


def test_the_posterior_prefers_who_errs_less() -> None:
    wrong = torch.rand(64, 200, generator=torch.Generator().manual_seed(0)) < 0.4
    wrong[:8] &= torch.rand(8, 200, generator=torch.Generator().manual_seed(1)) < 0.2
    found = randomised(wrong, DELTA)
    assert found.error < float(wrong.double().mean()) - 0.1
    assert 0 < found.divergence <= math.log(64)
    assert found.bound < pac_bayes(float(wrong.double().mean()), 0.0, 200, DELTA)


@pytest.mark.parametrize("by_class", [False, True])
def test_the_hold_out_bound_holds_on_a_finite_set_and_is_not_vacuous(by_class: bool) -> None:
    """A fixed predictor, 6,000 items of which it errs on known ones, labels of 120 of them.

    Errors gather in some classes; labels are drawn from all items or from each class alike.
    """
    rng = np.random.default_rng(3)
    chance = np.repeat([0.01, 0.02, 0.05, 0.1, 0.3, 0.5], 1000)
    wrong = rng.random(6000) < chance
    bounds = []
    for _ in range(2000):
        if by_class:
            drawn = np.concatenate([k * 1000 + rng.permutation(1000)[:20] for k in range(6)])
        else:
            drawn = rng.permutation(6000)[:120]
        bounds.append(hold_out(int(wrong[drawn].sum()), 120, DELTA))
    failed = float(np.mean(np.array(bounds) < wrong.mean()))
    assert failed <= DELTA
    assert by_class or failed > DELTA / 4  # else it would not be tight
    assert np.mean(bounds) < wrong.mean() + 0.06


def test_the_randomised_bound_holds_over_draws_of_labels_and_is_not_vacuous() -> None:
    """Students drawn from Dirichlets over a made task: their errors on all items are known."""
    generator = torch.Generator().manual_seed(5)
    items, prototypes, classes = 3000, 12, 4
    home = torch.randint(prototypes, (items,), generator=generator)
    a = 0.9 * torch.eye(prototypes)[home] + 0.1 / prototypes
    truth = home % classes
    astray = torch.rand(items, generator=generator) < 0.15
    truth = torch.where(astray, torch.randint(classes, (items,), generator=generator), truth)
    alpha = 0.3 + 2.0 * torch.eye(classes)[torch.arange(prototypes) % classes]
    wrong = draw_errors(a, torch.zeros(items, classes), alpha, truth, seed=1, draws=200)
    risks, held, bounds = wrong.double().mean(dim=1), 0, []
    for _ in range(200):
        drawn = torch.randperm(items, generator=generator)[:100]
        found = randomised(wrong[:, drawn], DELTA)
        held += float((found.posterior * risks).sum()) <= found.bound
        bounds.append(found.bound)
    assert held >= (1 - DELTA) * 200
    assert float(np.mean(bounds)) < 0.5


def test_drawn_students_gather_about_a_sharp_posterior() -> None:
    """With much mass all draws answer as the mean does; with little they do not."""
    a = torch.eye(3)
    labels = torch.tensor([0, 1, 1])
    mean = torch.tensor([[0.8, 0.2], [0.3, 0.7], [0.9, 0.1]])
    none = torch.zeros(3, 2)
    sharp = draw_errors(a, none, 1e5 * mean, labels, seed=0, draws=20)
    assert sharp.tolist() == [[False, False, True]] * 20
    vague = draw_errors(a, none, mean, labels, seed=0, draws=200).double().mean(dim=0)
    assert 0.05 < float(vague[0]) < 0.5
    turned = draw_errors(a, torch.tensor([[0.0, 9.0]] * 3), 1e5 * mean, labels, seed=0, draws=5)
    assert turned.tolist() == [[True, False, False]] * 5
