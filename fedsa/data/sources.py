"""The built-in datasets, one function each."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from fedsa.data import fashion
from fedsa.data.dataset import Dataset
from fedsa.errors import DataError
from fedsa.seeding import numpy_generator

MINI = Path(__file__).parent / "assets" / "fashion_mnist_mini.npz"
UCI = "CC-BY-4.0"


def fashion_mnist_mini() -> Dataset:
    """12,000 training and 2,000 test images of Fashion-MNIST, balanced, from the wheel."""
    try:
        with np.load(MINI, allow_pickle=False) as file:
            names = ("inputs", "labels", "test_inputs", "test_labels")
            found = [file[name] for name in names]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"The images that come with fedsa cannot be read ({error}): reinstall fedsa."
        ) from None
    return _fashion("fashion-mnist-mini", found, "in the wheel")


def fashion_mnist() -> Dataset:
    """All 60,000 training and 10,000 test images of Fashion-MNIST (Xiao et al., 2017).

    Raises
    ------
    DataError
        If it is nowhere to be found, saying how to get it.
    """
    found, source = fashion.arrays()
    return _fashion("fashion-mnist", found, source)


def digits() -> Dataset:
    """Handwritten digits of 8 x 8 pixels (UCI, with scikit-learn): 1,500 for training, 297."""
    images, labels = _digits()
    pixels = np.rint(images.reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)  # 0..16 there
    return _split("digits", pixels, labels, tuple("0123456789"), 1500)


def digits_table() -> Dataset:
    """Load the digits as vectors of 64 numbers, standardised on the training part."""
    table, labels = _digits()
    return _split("digits-table", table, labels, tuple("0123456789"), 1500, standard=True)


def breast_cancer() -> Dataset:
    """Wisconsin diagnostic breast cancer (UCI, with scikit-learn): 30 numbers, 455 and 114."""
    from sklearn.datasets import load_breast_cancer  # here, as it takes a second to import

    found = load_breast_cancer()
    table, labels = found.data, found.target.astype(np.int64)
    return _split("breast-cancer", table, labels, ("malignant", "benign"), 455, standard=True)


def noise() -> Dataset:
    """Images of 28 x 28 independent random pixels with ten random labels; nothing to learn."""
    generator = numpy_generator(0, "noise")
    pixels = generator.integers(0, 256, (5000, 1, 28, 28), dtype=np.uint8)
    labels = generator.integers(0, 10, 5000)
    classes = tuple(f"noise {label}" for label in range(10))
    parts = pixels[:4000], labels[:4000], classes, pixels[4000:], labels[4000:]
    return Dataset("noise", *parts, licence="CC0-1.0", source="made by fedsa")


def _fashion(name: str, found: list[np.ndarray], source: str) -> Dataset:
    inputs, labels, test_inputs, test_labels = found
    return Dataset(
        name,
        inputs.reshape(-1, 1, 28, 28),
        labels.astype(np.int64),
        fashion.CLASSES,
        test_inputs.reshape(-1, 1, 28, 28),
        test_labels.astype(np.int64),
        licence="MIT",
        source=f"Fashion-MNIST, Zalando SE, 2017 ({source})",
    )


def _digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the digits of scikit-learn, ``(1797, 64)`` and ``(1797,)``.

    Every process of a run reads them, so its file is read without importing the package, which
    takes a second or two.
    """
    found = importlib.util.find_spec("sklearn")
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            table = np.loadtxt(path, delimiter=",")
            return table[:, :-1], table[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits  # its files lie elsewhere

    images, labels = load_digits(return_X_y=True)
    return images, labels.astype(np.int64)


def _split(
    name: str,
    inputs: np.ndarray,
    labels: np.ndarray,
    classes: tuple[str, ...],
    train: int,
    standard: bool = False,
) -> Dataset:
    order = numpy_generator(0, name.removesuffix("-table")).permutation(len(inputs))
    inputs, labels = inputs[order], labels[order]
    if standard:
        spread = inputs[:train].std(axis=0)
        inputs = (inputs - inputs[:train].mean(axis=0)) / np.where(spread > 0, spread, 1)
        inputs = inputs.astype(np.float32)
    parts = inputs[:train], labels[:train], classes, inputs[train:], labels[train:]
    return Dataset(name, *parts, licence=UCI, source="UCI repository, with scikit-learn")
