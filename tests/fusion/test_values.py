"""What is believed of values: a ridge, and where labels are yes or no a probability."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from fedsa.fusion.values import regress_values
from fedsa.transferability.ridge import fit

LABELS = 80


def drawn(seed: int, columns: int = 3) -> tuple[Tensor, Tensor]:
    """Return features and yes-or-no labels that they decide, most of them no."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(2000, 12, generator=generator)
    return features, (features[:, :columns] > 1.0).float()


def ridge(features: Tensor, labelled: Tensor, labels: Tensor) -> Tensor:
    found = fit(features[labelled], labels)
    told = (features.double() - found.centre) @ found.weights + found.mean
    return told.clamp(0.0, 1.0).float()


@pytest.mark.parametrize("seed", range(4))
def test_yes_or_no_is_told_as_a_probability(seed: int) -> None:
    features, labels = drawn(seed)
    some = torch.arange(LABELS)
    found = regress_values(features, some, labels[some])[LABELS:]
    plain = ridge(features, some, labels[some])[LABELS:].clamp(0.01, 0.99)
    hidden = labels[LABELS:]
    assert F.binary_cross_entropy(found, hidden) < 0.93 * F.binary_cross_entropy(plain, hidden)
    assert float(found.mean()) == pytest.approx(float(hidden.mean()), abs=0.05)


def test_quantities_stay_what_the_ridge_says() -> None:
    features, labels = drawn(0)
    some, labels = torch.arange(LABELS), 0.2 + 0.5 * labels
    found = regress_values(features, some, labels[some])
    torch.testing.assert_close(found, ridge(features, some, labels[some]))


@given(seed=st.integers(0, 10**6), count=st.integers(2, 12))
@settings(max_examples=25, deadline=None)
def test_features_that_say_nothing_do_not_turn_a_label_round(seed: int, count: int) -> None:
    """The mean of the others is the lower, the higher the label left out: that is no evidence."""
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.arange(count) % 2).float()[:, None]
    features = 1e-3 * torch.randn(200, 3, generator=generator)
    found = regress_values(features, torch.arange(count), labels)
    assert bool(((found >= 0) & (found <= 1)).all())
    share = float(labels.mean())
    assert float(found[count:].mean()) == pytest.approx(share, abs=0.2)


def test_a_curve_that_falls_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = drawn(0)
    some = torch.arange(LABELS)
    monkeypatch.setattr("fedsa.fusion.values._curve", lambda *_: (-5.0, 1.0))
    found = regress_values(features, some, labels[some])
    torch.testing.assert_close(found, ridge(features, some, labels[some]))


def test_labels_that_are_all_the_same_are_believed_of_all() -> None:
    features, _ = drawn(0)
    for value in (0.0, 1.0):
        found = regress_values(features, torch.arange(8), torch.full((8, 2), value))
        assert float((found - value).abs().max()) < 0.15
