"""Where the whole Fashion-MNIST may be found, and how to get it."""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path

import numpy as np

from fedsa.data.idx import read_idx
from fedsa.errors import DataError

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
HOW = (
    "run 'apt-get install dataset-fashion-mnist', or put its four idx .gz files into a folder "
    "and set FEDSA_DATA to it, or 'pip install flwr-datasets' (which downloads it)"
)
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def folder() -> Path | None:
    """Return the first folder that holds the four files: FEDSA_DATA's, or Debian's."""
    places = [DEBIAN]
    if own := os.environ.get("FEDSA_DATA"):
        places = [Path(own), Path(own) / "fashion-mnist", DEBIAN]
    for place in places:
        if all((place / name).is_file() for name in FILES):
            return place
    return None


def downloadable() -> bool:
    """Return whether a package that downloads it is installed."""
    return importlib.util.find_spec("flwr_datasets") is not None


def arrays() -> tuple[list[np.ndarray], str]:
    """Return training images and labels, test images and labels (uint8), and the source.

    Raises
    ------
    DataError
        If it is nowhere to be found.
    """
    place = folder()
    if place is not None:
        return [read_idx(place / name) for name in FILES], str(place)
    if not downloadable():
        raise DataError(f"The whole Fashion-MNIST is not on this machine: {HOW}.")
    try:
        return _download(), "zalando-datasets/fashion_mnist, by flwr-datasets"
    except Exception as error:  # no network, no disk, or another version of the package
        raise DataError(
            f"flwr-datasets could not download Fashion-MNIST ({type(error).__name__}): check the "
            f"network, or {HOW}."
        ) from error


def _download() -> list[np.ndarray]:
    package = importlib.import_module("flwr_datasets")  # an extra, not a dependency
    source = package.FederatedDataset(
        dataset="zalando-datasets/fashion_mnist", partitioners={"train": 1}
    )
    found = []
    for part in ("train", "test"):
        items = source.load_split(part)
        found += [np.stack([np.asarray(image, np.uint8) for image in items["image"]])]
        found += [np.asarray(items["label"], np.uint8)]
    return found
