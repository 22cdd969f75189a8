"""What leaves: always a distribution that the wire takes, and never more than the policy says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedsa.messages import CompactAnswers
from fedsa.policy import PolicySection
from fedsa.saliency.compact import quantised
from fedsa.teacher.policy.mechanism import (
    Form,
    distributions,
    noised_maps,
    rounded,
    simplex,
    softmax,
    top,
)

WIDTH = st.one_of(st.integers(2, 12), st.integers(2, 1000))
SEED = st.integers(0, 2**32 - 1)
FORMS = st.builds(
    Form,
    temperature=st.sampled_from([1.0, 1.5, 4.0, 100.0]),
    top_k=st.integers(0, 6),
    bits=st.integers(1, 8),
    sigma=st.sampled_from([0.0, 0.01, 0.3, 5.0]),
)


def _logits(width: int, seed: int, scale: float, n: int = 5) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, width)) * scale
    most = float(np.finfo(np.float32).max)  # what leaves a model has been checked to be finite
    return np.clip(rows, -most, most).astype(np.float32)


@given(WIDTH, SEED, st.sampled_from([0.0, 0.3, 5.0, 1e4, 1e38]), FORMS)
def test_every_answer_is_one_that_the_wire_takes(
    width: int, seed: int, scale: float, form: Form
) -> None:
    normals = np.random.default_rng(seed + 1).normal(size=(5, width))
    rows = distributions(_logits(width, seed, scale), form, normals)
    assert rows.dtype == np.uint8 and rows.shape == (5, width)
    answers = CompactAnswers(rows)  # its own check of a row's mass
    levels = max(len(np.unique(row)) for row in answers.values)
    assert levels <= 2**form.bits
    if form.top_k:
        assert levels <= form.top_k + 1


@given(WIDTH, SEED, st.sampled_from([0.3, 3.0, 30.0]))
def test_a_policy_of_defaults_changes_nothing(width: int, seed: int, scale: float) -> None:
    logits = _logits(width, seed, scale)
    wanted = CompactAnswers.encode(torch.from_numpy(logits).double().softmax(dim=1).float().numpy())
    found = distributions(logits, Form())
    # Square roots of float32 and of float64 may fall on two sides of a step.
    assert np.abs(found.astype(int) - wanted.values.astype(int)).max() <= 1


@given(WIDTH, SEED, st.sampled_from([0.1, 3.0, 30.0]), st.integers(1, 7))
def test_rounding_again_changes_nothing(width: int, seed: int, scale: float, bits: int) -> None:
    rows = softmax(_logits(width, seed, scale), 1.0)
    once = rounded(rows, bits)
    roots = np.sqrt(rows)
    levels = np.rint(roots / roots.max(axis=1, keepdims=True) * (2**bits - 1))
    told = np.linalg.norm(levels, axis=1) < 127  # else the wire's 255 steps are coarser
    again = rounded(CompactAnswers(once).dense().astype(np.float64), bits)
    assert np.array_equal(again[told], once[told])


def test_one_bit_tells_which_classes_come_near_the_first() -> None:
    rows = np.array([[0.5, 0.3, 0.1, 0.1], [0.97, 0.01, 0.01, 0.01]])
    assert np.array_equal(rounded(rows, 1), [[180, 180, 0, 0], [255, 0, 0, 0]])


@given(WIDTH, SEED, st.floats(0.0, 5.0))
def test_the_nearest_point_of_the_simplex(width: int, seed: int, sigma: float) -> None:
    generator = np.random.default_rng(seed)
    rows = softmax(generator.normal(size=(4, width)), 1.0) + sigma * generator.normal(
        size=(4, width)
    )
    near = simplex(rows)
    assert near.min() >= 0 and np.allclose(near.sum(axis=1), 1.0)
    assert np.allclose(simplex(near), near)
    # By its optimality condition: the way back to the row leads away from every corner.
    away = rows - near
    assert np.all((away * near).sum(axis=1) + 1e-9 >= away.max(axis=1))


@given(WIDTH, SEED, st.integers(0, 1200))
def test_top_k_tells_k_and_keeps_the_mass(width: int, seed: int, k: int) -> None:
    rows = softmax(_logits(width, seed, 2.0), 1.0)
    told = top(rows, k)
    assert np.allclose(told.sum(axis=1), 1.0) and np.allclose(top(told, k), told)
    for row, kept in zip(rows, told, strict=True):
        best = np.argsort(-row, kind="stable")[: k or width]
        assert np.array_equal(row[best], kept[best])
        others = np.delete(kept, best)
        assert len(others) == 0 or (np.ptp(others) == 0 and others[0] <= kept[best].min() + 1e-12)


def test_a_higher_temperature_tells_less_of_the_margin() -> None:
    logits = np.array([[3.0, 1.0, 0.0]])
    first = [softmax(logits, temperature)[0, 0] for temperature in (1.0, 2.0, 10.0)]
    assert first[0] > first[1] > first[2] > 1 / 3
    assert np.allclose(softmax(logits, 2.0), softmax(logits / 2, 1.0))


@given(st.integers(1, 49), SEED, st.integers(1, 8), st.sampled_from([0.01, 0.5]))
def test_maps_with_noise_are_maps(cells: int, seed: int, bits: int, sigma: float) -> None:
    generator = np.random.default_rng(seed)
    pooled = torch.from_numpy(generator.random((6, cells)))
    pooled[0] = 0.0
    normals = generator.normal(size=(6, cells))
    found = noised_maps(pooled, bits, sigma, normals)
    assert found.values.shape == (6, cells) and found.bits == bits
    same = noised_maps(pooled * 7.0, bits, sigma, normals)  # the scale of a map means nothing
    assert np.array_equal(found.values, same.values)
    plain = noised_maps(pooled, bits, 0.0, None)
    assert np.array_equal(plain.values, quantised(pooled, bits).values)


def test_noise_has_the_size_that_the_policy_says() -> None:
    rows = softmax(np.zeros((2000, 10)), 1.0)
    normals = np.random.default_rng(0).normal(size=rows.shape)
    found = CompactAnswers(distributions(np.zeros((2000, 10)), Form(sigma=0.02), normals)).dense()
    # Near the middle of the simplex only the sum is projected away: 9 of 10 dimensions stay.
    assert np.std(found - rows) == pytest.approx(0.02 * np.sqrt(0.9), rel=0.03)


def test_the_form_is_the_policys() -> None:
    document: dict[str, Any] = {
        "answers": {"temperature": 2.0, "top-k": 3, "bits": 5},
        "noise": {"sigma": 0.25},
    }
    form = Form.of(PolicySection.model_validate(document))
    assert form == Form(2.0, 3, 5, 0.25)
    assert form.document() == {"temperature": 2.0, "top-k": 3, "bits": 5, "sigma": 0.25}
