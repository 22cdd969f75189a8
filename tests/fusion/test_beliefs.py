"""Beliefs about the task: calibration and the discriminant, against values made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from fedsa.data.transfer import TransferSet
from fedsa.fusion.beliefs import RIDGE, SHARE, beliefs, calibrate, discriminant
from fedsa.options import FusionOptions
from fedsa.problem import Answers
from tests.fusion.conftest import Case


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 6), st.integers(0, 10**6))
def test_calibration_reaches_the_prior_and_keeps_the_evidence(classes: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    before = (1.5 * torch.randn(80, classes, generator=generator)).softmax(dim=1)
    prior = torch.randn(classes, generator=generator).softmax(dim=0)
    items = torch.arange(0, 80, 2)
    after = calibrate(before, prior, items)
    torch.testing.assert_close(after.sum(dim=1), torch.ones(80))
    torch.testing.assert_close(after[items].mean(dim=0), prior, atol=0.01, rtol=0.05)
    # The same factor for each class on every item, so that odds between items stay.
    factor = (after / before).log()
    factor = factor - factor[:, :1]
    torch.testing.assert_close(factor, factor[:1].expand_as(factor), atol=1e-3, rtol=0)


def test_calibrated_beliefs_stay_as_they_are() -> None:
    rows = torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5]])
    found = calibrate(rows, torch.tensor([0.5, 0.5]), torch.arange(3))
    torch.testing.assert_close(found, rows)


def _clouds() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    truth = torch.arange(90) % 3
    centres = torch.tensor([[8.0, 0.0], [0.0, 8.0], [-8.0, -8.0]])
    return centres[truth] + torch.randn(90, 2, generator=generator), truth


def test_the_discriminant_separates_clouds_that_vague_beliefs_hint_at() -> None:
    columns, truth = _clouds()
    hints = 0.4 * F.one_hot(truth, 3).float() + 0.2
    labelled = torch.arange(3)
    found = discriminant(
        columns, hints, labelled, F.one_hot(truth[:3], 3).float(), torch.arange(90)
    )
    assert torch.equal(found.argmax(dim=1), truth)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(90))


def test_the_discriminant_by_its_definition() -> None:
    """exp(-d^2 / 2) of the Mahalanobis distances to the classes' means, by weights."""
    columns, truth = _clouds()
    columns = columns / 6  # so near that the posterior is no 0 or 1
    soft = (F.one_hot(truth, 3).float() + 0.3 * torch.rand(90, 3)).softmax(dim=1)
    labelled, items = torch.tensor([0, 1, 2, 40]), torch.arange(30, 90)
    one_hot = F.one_hot(truth[labelled], 3).float()
    found = discriminant(columns, soft, labelled, one_hot, items)

    x, mass = columns.double().numpy(), np.zeros((90, 3))
    mass[items] = SHARE * soft[items].numpy()
    mass[labelled] = one_hot.numpy()
    means = np.stack([np.average(x, axis=0, weights=mass[:, c]) for c in range(3)])
    within = np.zeros((2, 2))
    for c in range(3):
        for row, weight in zip(x, mass[:, c], strict=True):
            within += weight * np.outer(row - means[c], row - means[c])
    within /= mass.sum()
    within += RIDGE * np.diag(within).mean() * np.eye(2)
    gaps = x[:, None, :] - means
    far = np.einsum("ncd,de,nce->nc", gaps, np.linalg.inv(within), gaps)
    expected = np.exp(-far / 2) / np.exp(-far / 2).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("competence", [False, True])
@pytest.mark.parametrize("spreading", [0.0, 0.8])
def test_beliefs_hold_the_labels_and_tell_more_than_them(
    case: Case, competence: bool, spreading: float
) -> None:
    problem = case.problem
    weights = dict.fromkeys(case.answers, 1 / 3)
    options = FusionOptions(competence=competence, spreading=spreading)
    found = beliefs(problem, case.answers, weights, options)
    assert found.shape == (len(problem.transfer), 10)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(len(found)))
    assert torch.equal(found[problem.labelled], F.one_hot(problem.labels, 10).float())
    assert float((found.argmax(dim=1) == case.truth).float().mean()) > 0.8


def test_items_that_nobody_was_asked_about_change_nothing(case: Case) -> None:
    """A third was not asked; what is believed of the rest is the same without it."""
    problem, weights = case.problem, dict.fromkeys(case.answers, 1 / 3)
    asked = torch.ones(len(problem.transfer), dtype=torch.bool)
    asked[200:] = False
    asked[problem.labelled] = True
    kept = asked.nonzero()[:, 0]
    rows = {n: a.masked_fill(~asked[:, None], torch.nan) for n, a in case.answers.items()}
    found = beliefs(problem, Answers(rows), weights)
    alone = replace(
        problem,
        transfer=TransferSet(problem.transfer.array[kept.numpy()]),
        labelled=torch.searchsorted(kept, problem.labelled),
    )
    fewer = beliefs(alone, Answers({n: a[kept] for n, a in case.answers.items()}), weights)
    agree = (found[kept].argmax(dim=1) == fewer.argmax(dim=1)).float().mean()
    assert float(agree) > 0.97
