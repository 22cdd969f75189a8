"""The secret, and the noise that follows from it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kstest

from fedsa.teacher.policy.secret import normals, read_or_make


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: read_or_make(tmp_path / "key"), range(32)))
    assert len(keys) == 1 and len(keys.pop()) == 32
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert read_or_make(tmp_path / "key") != read_or_make(tmp_path / "another")


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").touch(mode=0o600)
    with pytest.raises(OSError, match="not a key"):
        read_or_make(tmp_path / "key")


def test_noise_depends_on_key_and_name_alone() -> None:
    names = [bytes([k]) * 32 for k in range(5)]
    rows = normals(b"k" * 32, names, 7)
    assert np.array_equal(rows[3:4], normals(b"k" * 32, names[3:4], 7))
    assert np.array_equal(rows[::-1], normals(b"k" * 32, names[::-1], 7))
    assert not np.any(rows == normals(b"j" * 32, names, 7))


def test_noise_is_normal_and_rows_are_independent() -> None:
    names = [k.to_bytes(32, "big") for k in range(2000)]
    rows = normals(b"k" * 32, names, 10)
    assert kstest(rows.ravel(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(rows[:-1].ravel(), rows[1:].ravel())[0, 1]) < 0.03
