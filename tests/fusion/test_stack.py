"""The stack against an independent library."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from fedsa.fusion.stack import (
    LEAN,
    PENALTY,
    TRUSTED,
    features,
    regress,
    regressions,
    scale,
    told,
)
from fedsa.problem import Answers


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("width", [5, 40], ids=["narrow", "wide"])
def test_the_regression_is_scikit_learns(width: int) -> None:
    """Fitted on 24 rows, so that 40 columns are more than there are rows."""
    columns, labelled, labels = draw(60, width), torch.arange(0, 48, 2), torch.arange(24) % 3
    columns[labelled, labels] += 2.0
    found = regress(columns, labelled, labels, 3)
    rival = LogisticRegression(C=1 / PENALTY, tol=1e-10, max_iter=5000)
    rival.fit(columns[labelled].double().numpy(), labels.numpy())
    np.testing.assert_allclose(found, rival.predict_proba(columns.double().numpy()), atol=1e-4)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(60))


@pytest.mark.parametrize("each", [2, 20])
def test_the_fewer_labels_the_less_is_added_to_what_is_known_before(each: int) -> None:
    """Even probabilities before, whose power says nothing: a library's fit without intercepts."""
    count = 3 * each
    columns, labelled, labels = draw(90, 7), torch.arange(count), torch.arange(count) % 3
    columns[labelled, labels] += 2.0
    found = regress(columns, labelled, labels, 3, torch.full((90, 3), 1 / 3).log(), lean=True)
    penalty = LEAN * 7 * (1 + TRUSTED / each)
    rival = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=5000, fit_intercept=False)
    rival.fit(columns[labelled].double().numpy(), labels.numpy())
    np.testing.assert_allclose(found, rival.predict_proba(columns.double().numpy()), atol=1e-4)


def test_turning_the_features_into_many_more_columns_changes_nothing() -> None:
    """An L2 penalty sees lengths only; the wide fit goes through another basis."""
    narrow, labelled, labels = draw(60, 6), torch.arange(20), torch.arange(20) % 4
    turn = torch.linalg.qr(draw(200, 6)).Q.T
    wide = regress(narrow @ turn, labelled, labels, 4)
    torch.testing.assert_close(wide, regress(narrow, labelled, labels, 4), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("width", [8, 200])
def test_several_at_once_are_as_one_by_one(width: int) -> None:
    """Narrow features and such as are wider than the labels are many."""
    generator = torch.Generator().manual_seed(0)
    columns = torch.randn(90, width, generator=generator)
    where, labels = torch.arange(60), torch.arange(60) % 3
    train = torch.arange(60)[None, :] % 5 != torch.arange(5)[:, None]
    found = told(columns, regressions(columns, where, labels, 3, train)).exp()
    assert found.shape == (5, 90, 3)
    for kept, each in zip(train, found, strict=True):
        one = regress(columns, where[kept], labels[kept], 3)
        torch.testing.assert_close(each, one, atol=5e-3, rtol=0.0)


def test_a_class_without_a_label_is_allowed() -> None:
    found = regress(draw(30, 4), torch.arange(10), torch.arange(10) % 2, 3)
    assert bool(torch.isfinite(found).all())
    assert float(found[:, 2].max()) < 0.1


def test_features_by_hand() -> None:
    """Two items, one teacher: roots of (1, 0) and (0, 1), centred to +-1/2, scaled to +-1."""
    found = features(Answers({"a": torch.eye(2)}), {"a": 1.0})
    torch.testing.assert_close(found, torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))


def test_one_scale_for_all_so_that_a_constant_teacher_stays_small() -> None:
    varied = draw(50, 4).softmax(dim=1)
    constant = (0.01 * draw(50, 3)).softmax(dim=1)
    found = features(Answers({"a": varied, "b": constant}), {"a": 0.5, "b": 0.5})
    assert found.shape == (50, 7)
    assert float(found.square().mean()) == pytest.approx(1.0, abs=1e-5)
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(7), atol=1e-5, rtol=0)
    assert float(found[:, 4:].std()) < 0.1 * float(found[:, :4].std())


def test_weights_stretch_a_teachers_columns() -> None:
    """s_i enters under the root: a weight nine times as large makes columns three times longer."""
    rows = draw(50, 4).softmax(dim=1)
    found = features(Answers({"a": rows, "b": rows}), {"a": 0.9, "b": 0.1})
    torch.testing.assert_close(found[:, :4], 3 * found[:, 4:])
    alone = features(Answers({"a": rows, "b": rows}), {"a": 0.7})
    torch.testing.assert_close(alone, features(Answers({"a": rows}), {"a": 1.0}))


def test_an_item_not_asked_counts_as_the_mean() -> None:
    rows = draw(20, 3).softmax(dim=1)
    rows[4] = torch.nan
    asked = features(Answers({"a": rows}), {"a": 1.0})
    torch.testing.assert_close(asked[4], torch.zeros(3), atol=1e-6, rtol=0)


def test_scale_leaves_constant_columns_at_zero() -> None:
    assert torch.equal(scale(torch.full((4, 3), 7.0)), torch.zeros(4, 3))
