"""Estimators that need no fit: known answers by hand, and invariants."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedsa.transferability import ESTIMATORS
from fedsa.transferability.leep import leep
from fedsa.transferability.logme import logme
from fedsa.transferability.mutual_information import mutual_information
from fedsa.transferability.nce import nce
from fedsa.transferability.rsa import rsa

SEEDS = st.integers(0, 10**6)
LABELS = torch.arange(4).repeat(6)


def answers(seed: int, classes: int = 5, sharpness: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (sharpness * torch.randn((len(LABELS), classes), generator=generator)).softmax(dim=1)


@pytest.mark.parametrize("name", sorted(ESTIMATORS.builtins))
@given(seed=SEEDS)
@settings(max_examples=8, deadline=None)
def test_names_of_the_teachers_classes_mean_nothing(name: str, seed: int) -> None:
    estimator = ESTIMATORS.get(name)
    p, student = answers(seed), answers(seed + 1, 4)
    order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
    value = estimator(p, LABELS, student)
    assert isinstance(value, float) and math.isfinite(value)
    assert estimator(p[:, order], LABELS, student) == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize("name", sorted(ESTIMATORS.builtins))
def test_a_teacher_that_knows_the_labels_beats_one_that_does_not(name: str) -> None:
    estimator = ESTIMATORS.get(name)
    student = (torch.eye(4)[LABELS] + answers(3, 4)).softmax(dim=1)
    knows = 0.9 * torch.eye(4)[LABELS] + 0.025
    assert estimator(knows, LABELS, student) > estimator(answers(4, 4), LABELS, student) + 0.05


@pytest.mark.parametrize("name", sorted(ESTIMATORS.builtins))
def test_a_teacher_that_says_always_the_same_tells_nothing(name: str) -> None:
    constant = torch.tensor([0.2, 0.5, 0.3]).expand(len(LABELS), 3)
    nothing = -math.log(4) if name in {"leep", "nce", "cross-validation"} else 0.0
    if name == "logme":  # it has no constant of its own: a lone column of ones knows as much
        nothing = logme(torch.ones(len(LABELS), 1), LABELS)
    value = ESTIMATORS.get(name)(constant, LABELS, answers(1, 4))
    # A fold that holds out more of one class makes that class look rarer than it is.
    assert value == pytest.approx(nothing, abs=0.05 if name == "cross-validation" else 1e-3)


def test_mutual_information_by_hand() -> None:
    # Two sure, agreeing networks on even classes share log 2; one that is right in 3 of 4 less.
    sure = torch.eye(2).repeat(2, 1)
    assert mutual_information(sure, None, sure) == pytest.approx(math.log(2))
    soft = torch.tensor([[0.75, 0.25], [0.25, 0.75]]).repeat(2, 1)
    wanted = math.log(2) + 0.75 * math.log(0.75) + 0.25 * math.log(0.25)
    assert mutual_information(soft, None, sure) == pytest.approx(wanted)


@given(SEEDS)
def test_mutual_information_is_symmetric_and_bounded(seed: int) -> None:
    a, b = answers(seed, 3), answers(seed + 1, 6)
    value = mutual_information(a, None, b)
    assert value == pytest.approx(mutual_information(b, None, a), abs=1e-9)
    assert 0.0 <= value <= math.log(3)


def test_leep_by_hand() -> None:
    p = torch.tensor([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9], [0.3, 0.7]])
    labels = torch.tensor([0, 0, 1, 1])
    # Mass of class z by label: z0 gets 1.4 | 0.4, z1 gets 0.6 | 1.6, so P(0|z0) = 7/9 and so on.
    first = [0.8 * 7 / 9 + 0.2 * 3 / 11, 0.6 * 7 / 9 + 0.4 * 3 / 11]
    second = [0.1 * 2 / 9 + 0.9 * 8 / 11, 0.3 * 2 / 9 + 0.7 * 8 / 11]
    wanted = sum(math.log(value) for value in first + second) / 4
    assert leep(p, labels) == pytest.approx(wanted)


def test_nce_by_hand() -> None:
    p = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
    labels = torch.tensor([0, 0, 1, 1])
    # z = 0, 0, 0, 1: of the three, two are labelled 0; the last is sure.
    assert nce(p, labels) == pytest.approx((2 * math.log(2 / 3) + math.log(1 / 3)) / 4)


@given(SEEDS)
def test_leep_stays_between_its_bounds(seed: int) -> None:
    p = answers(seed)
    value = leep(p, LABELS)
    assert value <= 0.0
    # LEEP is one EM step from knowing P(y) alone, and EM never lowers the likelihood.
    assert value >= -math.log(4) - 1e-6


@given(SEEDS)
@settings(deadline=None)
def test_rsa_is_a_correlation(seed: int) -> None:
    a, b = answers(seed, 3), answers(seed + 1, 6)
    assert rsa(a, None, a) == pytest.approx(1.0)
    assert rsa(a, None, b) == pytest.approx(rsa(b, None, a))
    assert -1.0 <= rsa(a, None, b) <= 1.0


def test_rsa_sees_which_items_are_found_alike() -> None:
    # The student tells halves apart; the teacher does so too, by three classes for each half.
    student = torch.eye(2)[torch.tensor([0, 0, 0, 1, 1, 1])]
    alike = torch.eye(6)[torch.tensor([0, 0, 0, 3, 3, 3])]
    unlike = torch.eye(6)[torch.tensor([0, 1, 2, 0, 1, 2])]
    assert rsa(alike, None, student) == pytest.approx(1.0)
    assert rsa(unlike, None, student) < 0
