"""Cross-validation of logistic regression on answers, against scikit-learn and by invariants."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F

from fedsa.transferability.cross_validation import (
    DIRECTIONS,
    _narrow,
    above_shares,
    cross_validation,
    deal,
    features,
    folds,
    gain,
    held_out,
    rms,
)
from fedsa.transferability.logistic import fit_predict

LABELS = torch.arange(10).repeat(6)


def teacher(seed: int, classes: int = 4, labels: Tensor = LABELS) -> Tensor:
    """Answers that depend on the label through a random table, with noise."""
    generator = torch.Generator().manual_seed(seed)
    table = 2 * torch.randn((int(labels.max()) + 1, classes), generator=generator)
    noise = torch.randn((len(labels), classes), generator=generator)
    return (table[labels] + noise).softmax(dim=1)


def noise(seed: int, classes: int = 10) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((len(LABELS), classes), generator=generator).softmax(dim=1)


def test_regression_is_scikit_learns() -> None:
    block = features(teacher(0)).float()
    train = deal(LABELS, 5, 1, 0)[0] != 0
    ours = fit_predict(block[None], F.one_hot(LABELS).float(), train.float()[None], 0.1)[0].exp()
    theirs = LogisticRegression(C=0.1, tol=1e-8, max_iter=2000)
    theirs.fit(block[train].numpy(), LABELS[train].numpy())
    assert np.abs(ours.numpy() - theirs.predict_proba(block.numpy())).max() < 1e-3


def test_held_out_figures_are_scikit_learns_on_the_samedeal() -> None:
    p = teacher(1)
    block, fold = features(p).numpy(), deal(LABELS, 5, 4, 7)
    wanted = []
    for row in fold:
        for part in range(5):
            train = (row != part).numpy()
            model = LogisticRegression(C=0.1, tol=1e-8, max_iter=2000)
            model.fit(block[train], LABELS[train].numpy())
            told = model.predict_log_proba(block[~train])
            wanted += told[np.arange(len(told)), LABELS[~train].numpy()].tolist()
    assert cross_validation(p, LABELS, seed=7) == pytest.approx(np.mean(wanted), abs=2e-3)


def test_folds_are_stratified_even_and_seeded() -> None:
    fold = deal(LABELS, 5, 3, 0)
    assert torch.equal(fold, deal(LABELS, 5, 3, 0))
    assert not torch.equal(fold, deal(LABELS, 5, 3, 1))
    for row in fold:
        assert row.bincount().tolist() == [12] * 5
        for label in range(10):
            assert row[label == LABELS].bincount(minlength=5).max() <= 2


def test_a_fold_holds_out_what_was_dealt_to_it() -> None:
    dealt = torch.tensor([[0, 1, -1, 0], [1, 1, 0, -1]])
    expected = torch.tensor([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 1, 0, 0]]).bool()
    assert torch.equal(folds(dealt, 3), expected)  # nothing was dealt to the third


def test_gain_keeps_what_adds_and_refuses_what_does_not() -> None:
    known = teacher(1)
    assert gain(teacher(2), LABELS, known) > 0.05
    assert np.mean([gain(noise(seed), LABELS, known) for seed in range(3, 9)]) < 0.005
    assert gain(known, LABELS, known) < gain(teacher(2), LABELS, known) / 2


def test_gain_of_answers_that_hardly_vary_is_nothing() -> None:
    # Were the scale to follow the columns put in, this would loosen the penalty and look useful.
    faint = 0.999 * torch.full((60, 10), 0.1) + 0.001 * noise(5)
    assert abs(gain(faint, LABELS, teacher(1))) < 0.005


def test_figures_of_a_teacher_do_not_depend_on_its_company() -> None:
    blocks = [features(teacher(seed, classes)) for seed, classes in ((0, 3), (1, 9), (2, 300))]
    together = held_out(blocks, LABELS)
    for block, figures in zip(blocks, together, strict=True):
        torch.testing.assert_close(held_out([block], LABELS)[0], figures, atol=1e-4, rtol=1e-4)


def test_wide_answers_are_turned_without_a_change() -> None:
    p = teacher(2, classes=80)
    block, train = features(p), (deal(LABELS, 5, 1, 0) != 0).float()
    narrow = _narrow(block)
    assert narrow.shape[1] <= min(DIRECTIONS, len(block)) < block.shape[1]
    targets = F.one_hot(LABELS).float()
    plain = fit_predict(block.float()[None], targets, train, 0.1, steps=300)
    turned = fit_predict(narrow[None], targets, train, 0.1, steps=300)
    torch.testing.assert_close(plain, turned, atol=1e-3, rtol=1e-3)


def test_one_label_a_class_cannot_be_held_out() -> None:
    labels = torch.arange(10)
    assert cross_validation(teacher(0, labels=labels), labels) == pytest.approx(-math.log(10))


def test_only_items_of_single_classes_get_the_chance_level() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 2])
    figures = held_out([features(torch.eye(3)[labels])], labels)[0]
    assert figures[-1] == pytest.approx(-math.log(3))
    assert (figures[:-1] > figures[-1]).all()


def test_who_says_nothing_is_at_zero_however_uneven_the_classes() -> None:
    labels = torch.tensor([0] * 90 + [1] * 10)
    generator = torch.Generator().manual_seed(3)
    constant, noise = torch.full((100, 4), 0.25), torch.rand((100, 4), generator=generator)
    useful = torch.eye(2)[labels] + 0.5 * torch.rand((100, 2), generator=generator)
    blocks = [features(each / each.sum(dim=1, keepdim=True)) for each in (constant, noise, useful)]
    chance = math.log(2) + held_out(blocks[:1], labels).mean()
    assert chance > 0.3, "the classes' shares alone tell as much above the log of their number"
    found = above_shares(blocks, labels).mean(dim=1)
    assert float(found[0]) == pytest.approx(0.0, abs=1e-6)
    assert float(found[1]) < 0.02 and float(found[2]) > 0.1


def test_an_item_that_cannot_be_held_out_tells_nothing() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 2])
    assert float(above_shares([features(torch.eye(3)[labels])], labels)[0, -1]) == 0.0


def test_scale_of_constants_is_one() -> None:
    assert rms([torch.full((5, 4), 0.25)]) == 1.0


def test_ten_teachers_take_less_than_a_second() -> None:
    blocks = [features(teacher(seed, 10)) for seed in range(10)]
    started = time.process_time()
    held_out(blocks, LABELS)
    assert time.process_time() - started < 1.0
