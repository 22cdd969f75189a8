"""Epsilon, against the analytic value of one Gaussian release."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from fedsa.errors import TeacherFileError
from fedsa.teacher.policy import accountant
from fedsa.teacher.policy.accountant import epsilon


def _analytic(sigma: float, releases: int, delta: float) -> float:
    """Balle and Wang (ICML 2018), theorem 8; n releases are one of sigma / sqrt(n)."""
    ratio = (2.0 * releases) ** 0.5 / sigma  # sensitivity over sigma

    def excess(e: float) -> float:
        upper = norm.cdf(ratio / 2 - e / ratio)
        lower = norm.logcdf(-ratio / 2 - e / ratio)
        return float(upper - np.exp(e + lower)) - delta

    return float(brentq(excess, 0.0, 1e6))


@pytest.mark.parametrize("sigma", [0.5, 1.0, 5.0, 20.0])
@pytest.mark.parametrize("releases", [1, 100])
@pytest.mark.parametrize("delta", [1e-6, 1e-3])
def test_it_is_an_upper_bound_close_to_the_analytic_value(
    sigma: float, releases: int, delta: float
) -> None:
    found, wanted = epsilon(sigma, releases, delta), _analytic(sigma, releases, delta)
    assert wanted <= found <= 1.35 * wanted + 0.02


def test_more_releases_tell_more_and_more_noise_tells_less() -> None:
    by_releases = [epsilon(3.0, n, 1e-5) for n in (1, 2, 10, 1000, 10**6, 10**12)]
    by_sigma = [epsilon(s, 100, 1e-5) for s in (0.01, 0.1, 1.0, 10.0, 100.0)]
    by_delta = [epsilon(3.0, 100, d) for d in (1e-12, 1e-6, 1e-2)]
    assert all(a < b for a, b in pairwise(by_releases))
    assert all(a > b for a, b in pairwise(by_sigma))
    assert all(a > b for a, b in pairwise(by_delta))


def test_no_noise_is_no_guarantee_and_tiny_noise_a_finite_number() -> None:
    assert epsilon(0.0, 100, 1e-5) == 0.0
    assert 1e6 < epsilon(1e-9, 10**12, 1e-5) <= accountant.LARGEST
    assert epsilon(1e-200, 10**12, 1e-5) <= accountant.LARGEST


def test_without_the_library_noise_is_refused_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    with pytest.raises(TeacherFileError, match=r"pip install 'fedsa\[teacher\]'"):
        epsilon(0.123, 7, 1e-5)
    assert epsilon(0.0, 7, 1e-5) == 0.0
