"""Estimators made for features: each against its definition written out, slowly, by other means."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import multivariate_normal, spearmanr
from torch import Tensor

from fedsa.transferability.cka import cka
from fedsa.transferability.h_score import h_score, shrunk_h_score
from fedsa.transferability.logme import logme
from fedsa.transferability.parc import parc
from fedsa.transferability.transrate import transrate

SEEDS = st.integers(0, 10**6)
Array = NDArray[np.float64]


def case(seed: int, items: int = 30, outputs: int = 5, classes: int = 3) -> tuple[Tensor, Tensor]:
    """Return answers that know a little of the labels, which are uneven."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (items,), generator=generator)
    labels[:classes] = torch.arange(classes)
    evidence = torch.randn((items, outputs), generator=generator)
    evidence[torch.arange(items), labels % outputs] += 1.5
    return evidence.softmax(dim=1), labels


def roots(answers: Tensor) -> Array:
    return np.sqrt(answers.double().numpy())


def naive_h(answers: Tensor, labels: Tensor) -> float:
    """Return tr(cov(f)^-1 cov(g)), g the class's mean in every item's place."""
    f = roots(answers)
    g = np.stack([f[labels.numpy() == label].mean(axis=0) for label in labels.tolist()])
    return float(np.trace(np.linalg.inv(np.cov(f.T, bias=True)) @ np.cov(g.T, bias=True)))


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_h_score_is_its_definition(seed: int) -> None:
    p, labels = case(seed)
    assert h_score(p, labels) == pytest.approx(naive_h(p, labels), rel=1e-6)
    assert 0.0 <= h_score(p, labels) <= 2.0 + 1e-9


def test_h_score_of_classes_that_are_told_apart_is_their_number_less_one() -> None:
    labels = torch.arange(4).repeat(8)
    assert h_score(torch.eye(4)[labels], labels) == pytest.approx(3.0)


def test_only_the_shrunk_h_score_stands_more_outputs_than_labels() -> None:
    """Twenty labels and forty random outputs: the plain one is at its maximum on noise."""
    noise = torch.randn(20, 40, generator=torch.Generator().manual_seed(1)).softmax(dim=1)
    labels = torch.arange(4).repeat(5)
    assert h_score(noise, labels) == pytest.approx(3.0, abs=1e-3)
    assert shrunk_h_score(noise, labels) < 1.0
    knows = (0.4 * noise.log() + 4 * torch.eye(40)[labels]).softmax(dim=1)
    assert 1.5 < shrunk_h_score(knows, labels) <= 3.0


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_the_shrunk_h_score_is_its_definition(seed: int) -> None:
    """Ledoit and Wolf's share of the identity, by their formula, sum by sum."""
    p, labels = case(seed)
    f = roots(p) - roots(p).mean(axis=0)
    n, width = f.shape
    sample = f.T @ f / n
    target = np.trace(sample) / width * np.eye(width)
    away = ((sample - target) ** 2).sum()
    noise = sum(((np.outer(row, row) - sample) ** 2).sum() for row in f) / n**2
    share = min(1.0, noise / away)
    mixed = (1 - share) * sample + share * target
    g = np.stack([f[labels.numpy() == label].mean(axis=0) for label in labels.tolist()])
    wanted = (1 - share) * np.trace(np.linalg.solve(mixed, g.T @ g / n))
    assert shrunk_h_score(p, labels) == pytest.approx(wanted, rel=1e-6)


def best_evidence(features: Array, y: Array) -> float:
    """Maximise log N(y; 0, I / b + F F' / a) over a and b by a simplex search."""

    def told(logs: Array) -> float:
        a, b = np.exp(logs)
        covariance = np.eye(len(y)) / b + features @ features.T / a
        return -float(multivariate_normal.logpdf(y, cov=covariance, allow_singular=True))

    starts = [np.array([x, y]) for x in (-3.0, 2.0) for y in (-1.0, 3.0)]
    found = [minimize(told, s, method="Nelder-Mead", options={"xatol": 1e-7}) for s in starts]
    return -min(float(f.fun) for f in found) / len(y)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("outputs", [3, 12])
def test_logme_is_the_maximum_of_the_marginal_likelihood(seed: int, outputs: int) -> None:
    p, labels = case(seed, outputs=outputs)
    truth = np.eye(3)[labels.numpy()]
    wanted = np.mean([best_evidence(roots(p), truth[:, c]) for c in range(3)])
    assert logme(p, labels) == pytest.approx(float(wanted), abs=1e-5)


def test_logme_stands_exact_and_useless_answers() -> None:
    labels = torch.arange(4).repeat(6)
    exact = logme(torch.eye(4)[labels], labels)
    assert math.isfinite(exact) and exact > logme(case(0, 24, 4)[0], labels) + 1.0


def test_logme_leaves_out_classes_without_labels() -> None:
    p, labels = case(2)
    assert logme(p, labels * 2) == pytest.approx(logme(p, labels))


@given(SEEDS, st.sampled_from([1e-4, 1e-2, 1.0]))
@settings(max_examples=20, deadline=None)
def test_transrate_is_its_definition(seed: int, distortion: float) -> None:
    p, labels = case(seed, outputs=8)
    z = roots(p) - roots(p).mean(axis=0)

    def rate(part: Array) -> float:
        matrix = np.eye(8) + part.T @ part / (len(part) * distortion)
        return 0.5 * float(np.linalg.slogdet(matrix)[1])

    parts = [z[labels.numpy() == c] for c in range(3)]
    wanted = rate(z) - sum(len(part) / len(z) * rate(part) for part in parts)
    assert transrate(p, labels, distortion=distortion) == pytest.approx(wanted, abs=1e-9)
    assert wanted >= 0.0


def test_transrate_of_sure_classes_by_hand() -> None:
    # Centred, the items are +-(1, -1) / 2: one direction of variance 1/2, for all and for either
    # class. Classes are not centred by themselves, so two sure ones save nothing: a limit of it.
    labels = torch.tensor([0, 1] * 5)
    assert transrate(torch.eye(2)[labels], labels, distortion=0.1) == pytest.approx(0.0)
    three = torch.arange(3).repeat(5)
    whole = math.log(1 + 1 / 0.3)  # two directions of variance 1/3
    own = 0.5 * math.log(1 + 2 / 0.3)  # a class is one point at the squared distance 2/3
    assert transrate(torch.eye(3)[three], three, distortion=0.1) == pytest.approx(whole - own)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_parc_is_spearmans_correlation_of_distances(seed: int) -> None:
    p, labels = case(seed, outputs=6)
    f, y = 1 - np.corrcoef(roots(p)), 1 - np.corrcoef(np.eye(3)[labels.numpy()])
    above = np.triu_indices(len(p), k=1)
    wanted = spearmanr(f[above].round(9), y[above].round(9)).statistic
    assert parc(p, labels) == pytest.approx(float(wanted), abs=1e-9)


def test_parc_of_a_teacher_that_knows_the_classes_is_one() -> None:
    labels = torch.arange(3).repeat(4)
    assert parc(torch.eye(5)[labels + 1], labels) == pytest.approx(1.0)


def naive_hsic(k: Array, m: Array) -> float:
    """Return the unbiased estimate of Song et al. (2012), term by term."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    ones = np.ones(n)
    both = (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
    return float((np.trace(k @ m) + both - 2 / (n - 2) * ones @ k @ m @ ones) / (n * (n - 3)))


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_cka_is_the_ratio_of_unbiased_dependences(seed: int) -> None:
    p, _ = case(seed)
    q, _ = case(seed + 1, outputs=4)
    k, m = roots(p) @ roots(p).T, roots(q) @ roots(q).T
    wanted = naive_hsic(k, m) / math.sqrt(naive_hsic(k, k) * naive_hsic(m, m))
    assert cka(p, None, q) == pytest.approx(wanted, abs=1e-9)
    assert cka(q, None, p) == pytest.approx(wanted, abs=1e-9)
    assert cka(p, None, p) == pytest.approx(1.0)


def test_cka_does_not_flatter_wide_teachers() -> None:
    """Over unrelated teachers it is zero in the mean, whatever their number of classes."""
    q, _ = case(0, items=12, outputs=4)
    for outputs in (3, 60):
        values = [cka(case(seed, 12, outputs, 1)[0], None, q) for seed in range(1, 200)]
        assert abs(float(np.mean(values))) < 4 * float(np.std(values)) / math.sqrt(len(values))


def test_cka_of_too_few_items_is_nothing() -> None:
    p, _ = case(0, items=3)
    assert cka(p, None, p) == 0.0
