"""Make ``fedsa/data/assets/fashion_mnist_mini.npz`` from the whole Fashion-MNIST.

Usage: python simulations/make_fashion_mnist_mini.py [OUT.npz]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from fedsa.data.sources import fashion_mnist
from fedsa.data.transfer import content_hash
from fedsa.seeding import numpy_generator

ASSET = Path(__file__).parent.parent / "fedsa" / "data" / "assets" / "fashion_mnist_mini.npz"


def draw(
    labels: np.ndarray, each: int, purpose: str, without: np.ndarray | None = None
) -> np.ndarray:
    """Return shuffled indices of ``each`` items a class, none of them in ``without``."""
    generator = numpy_generator(0, "fashion-mnist-mini", purpose)
    free = np.ones(len(labels), dtype=bool)
    if without is not None:
        free[without] = False
    chosen = [
        generator.choice(np.flatnonzero((labels == label) & free), each, replace=False)
        for label in range(10)
    ]
    return generator.permutation(np.concatenate(chosen))


def looked_at(labels: np.ndarray) -> np.ndarray:
    """Return the test images by which the student network and the teachers' recipe were chosen.

    They have served as validation images, so none of them may be a test image any more.
    """
    return np.union1d(draw(labels, 200, "test"), np.arange(2000))


def main(out: Path) -> None:
    """Draw 1,200 training and 200 test images a class and write them."""
    whole = fashion_mnist()
    train = draw(whole.labels, 1200, "train")
    test = draw(whole.test_labels, 200, "untouched test", looked_at(whole.test_labels))
    arrays = {
        "inputs": whole.inputs[train],
        "labels": whole.labels[train].astype(np.uint8),
        "test_inputs": whole.test_inputs[test],
        "test_labels": whole.test_labels[test].astype(np.uint8),
    }
    np.savez_compressed(out, **arrays)
    for name, array in arrays.items():
        print(f"{name:12} {array.dtype} {array.shape} sha256 {content_hash(array)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ASSET)
