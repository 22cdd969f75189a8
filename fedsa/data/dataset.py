"""A dataset: items with their labels, as far as known, and class names; checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from fedsa.data.targets import Target
from fedsa.errors import DataError


@dataclass(frozen=True, eq=False)
class Dataset:
    """Items, all of one shape, with a test set where the source has one.

    Parameters
    ----------
    name : str
        What to call it in messages.
    inputs : np.ndarray
        Images, uint8 ``(n, C, H, W)``; any other tensor, float32 ``(n, ...)``.
    labels : np.ndarray
        int64 ``(n,)``, places in ``classes``; -1 for an item whose label is not known.
    classes : tuple[str, ...]
        Class names.
    test_inputs, test_labels : np.ndarray
        The test set, alike, with every label known; may hold no items.
    licence : str
        Licence of the data, an SPDX name where there is one.
    source : str
        Where the data comes from.
    targets : Mapping[str, Target]
        What else is known of the items, by name: for teachers and students of other tasks than
        the class.
    files : tuple[str, ...]
        Where each item lies, of a folder of images; none of any other source.

    Raises
    ------
    DataError
        If anything of this does not hold.
    """

    name: str
    inputs: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    test_inputs: np.ndarray
    test_labels: np.ndarray
    licence: str = "unknown"
    source: str = "unknown"
    targets: Mapping[str, Target] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        what = f"The dataset '{self.name}'"
        if not self.classes or not all(isinstance(c, str) and c for c in self.classes):
            raise DataError(f"{what} needs at least one class, each with a name.")
        if len(set(self.classes)) < len(self.classes):
            twice = next(c for c in self.classes if self.classes.count(c) > 1)
            raise DataError(f"{what} names the class '{twice}' twice: class names must differ.")
        _check_items(f"{what}: inputs", self.inputs)
        _check_items(f"{what}: test_inputs", self.test_inputs)
        if not len(self.inputs):
            raise DataError(f"{what} holds no items.")
        _check_labels(f"{what}: labels", self.labels, len(self.inputs), len(self.classes), -1)
        _check_labels(
            f"{what}: test_labels", self.test_labels, len(self.test_inputs), len(self.classes)
        )
        one, other = ((*a.shape[1:], a.dtype.name) for a in (self.inputs, self.test_inputs))
        if one != other:
            raise DataError(
                f"{what}: a training item is {_shown(one)} but a test item is {_shown(other)}; "
                "both must be alike."
            )
        for name, target in self.targets.items():
            target.check(f"{what}: target '{name}'", len(self.inputs), len(self.test_inputs))

    def where(self, item: int) -> str:
        """Tell a person where an item is: its file, or its place in the array of items."""
        return self.files[item] if self.files else f"inputs[{item}]"

    def target(self, name: str, key: str) -> Target:
        """Return a target by its name.

        Raises
        ------
        DataError
            If there is none of that name; ``key`` is the scenario's key that asked for it.
        """
        if name not in self.targets:
            there = f"it has {', '.join(self.targets)}" if self.targets else "it has classes only"
            raise DataError(f"{key}: '{name}' is not a target of '{self.name}'; {there}.")
        return self.targets[name]

    @property
    def complete(self) -> bool:
        """Whether every item's label is known."""
        return bool((self.labels >= 0).all())

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one item."""
        return tuple(self.inputs.shape[1:])


def _shown(kind: tuple[object, ...]) -> str:
    return f"{kind[-1]} of shape {kind[:-1]}"


def _check_items(what: str, items: np.ndarray) -> None:
    if items.dtype == np.uint8:
        if items.ndim != 4:
            raise DataError(
                f"{what} are uint8 of shape {items.shape}; images are (n, C, H, W), "
                "anything else is float32."
            )
    elif items.dtype != np.float32:
        raise DataError(f"{what} are {items.dtype}; give images as uint8, all else as float32.")
    elif items.ndim < 2:
        raise DataError(f"{what} have the shape {items.shape}; (n, ...) is needed.")
    elif not np.isfinite(items).all():
        first = int(np.argmin(np.isfinite(items).reshape(len(items), -1).all(axis=1)))
        raise DataError(
            f"{what} hold NaN or infinite values, first in item {first}: fill or drop these."
        )
    if 0 in items.shape[1:]:
        raise DataError(f"{what} have the shape {items.shape}: an item holds no numbers.")


def _check_labels(what: str, labels: np.ndarray, items: int, classes: int, least: int = 0) -> None:
    if labels.dtype != np.int64 or labels.shape != (items,):
        raise DataError(
            f"{what} are {labels.dtype} of shape {labels.shape}; int64 of shape ({items},) is "
            "needed, one an item."
        )
    if items and not (labels.min() >= least and labels.max() < classes):
        bad = int(labels.min() if labels.min() < least else labels.max())
        raise DataError(
            f"{what} hold {bad}, but the {classes} classes are numbered 0 to {classes - 1}"
            f"{' (-1: not known)' if least < 0 else ''}."
        )
