"""What else is known of a dataset's items beside their class: further targets, by name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsa.errors import DataError
from fedsa.task import Classification, MultiLabel, Regression, Segmentation, Task


@dataclass(frozen=True, eq=False)
class Target:
    """One thing that can be predicted of every item.

    Parameters
    ----------
    task : Task
        Its kind; what a shift of an image does to its labels is part of it.
    labels, test_labels : np.ndarray
        ``(n,)`` int64 places among the classes, or ``(n, outputs)`` float32 in [0, 1].
    """

    task: Task
    labels: np.ndarray
    test_labels: np.ndarray

    def check(self, what: str, items: int, test_items: int) -> None:
        """Refuse labels that do not fit their task or the number of items.

        Raises
        ------
        DataError
            Beginning with ``what``.
        """
        for part, labels, count in (
            ("labels", self.labels, items),
            ("test labels", self.test_labels, test_items),
        ):
            own = () if self.task.distributions else (self.task.outputs,)
            dtype = "int64" if self.task.distributions else "float32"
            if labels.shape != (count, *own) or labels.dtype.name != dtype:
                raise DataError(
                    f"{what}: {part} are {labels.dtype} of shape {labels.shape}; {dtype} of "
                    f"shape {(count, *own)} is needed."
                )
            most = self.task.outputs - 1 if self.task.distributions else 1
            if count and not (labels.min() >= 0 and labels.max() <= most):  # a NaN fails too
                raise DataError(f"{what}: {part} must lie from 0 to {most}.")


def target_of(what: str, name: str, array: np.ndarray, test: np.ndarray) -> Target:
    """Return the target that an array is, its kind read off its type and shape.

    Whole numbers or names ``(n,)`` are classes; booleans ``(n, k)`` are labels of which several may
    hold, ``(n, h, w)`` masks; other numbers ``(n,)`` or ``(n, k)``, in [0, 1], are quantities.

    Parameters
    ----------
    what : str
        Begins the sentence of an error.
    name : str
        The target's name.
    array, test : np.ndarray
        For the items and the test items.

    Raises
    ------
    DataError
        If an array is of no such kind.
    """
    if array.ndim == 1 and array.dtype.kind in "iuU":
        both = np.concatenate([array, test])
        found, places = np.unique(both, return_inverse=True)
        classes = tuple(map(str, found))
        if len(classes) < 2:
            raise DataError(f"{what}: '{name}' is the same for all items; it needs two classes.")
        places = places.astype(np.int64)
        return Target(Classification(classes), places[: len(array)], places[len(array) :])
    kinds = {("b", 2): "labels", ("b", 3): "mask", ("f", 1): "values", ("f", 2): "values"}
    kind = kinds.get((array.dtype.kind, array.ndim))
    if kind is None:
        raise DataError(
            f"{what}: '{name}' is {array.dtype} of shape {array.shape}; give classes as whole "
            "numbers or names (n,), labels as booleans (n, k), masks as booleans (n, h, w), "
            "quantities as numbers from 0 to 1 (n,) or (n, k)."
        )
    if test.shape[1:] != array.shape[1:]:
        raise DataError(
            f"{what}: '{name}' has the shape {array.shape[1:]} of an item, but {test.shape[1:]} of "
            "a test item; both must be alike."
        )
    count = int(np.prod(array.shape[1:]))
    flat = [part.reshape(len(part), count).astype(np.float32) for part in (array, test)]
    if kind == "mask":
        height, width = array.shape[1:]
        return Target(Segmentation.of(height, width), *flat)
    names = (name,) if count == 1 else tuple(f"{name} {place + 1}" for place in range(count))
    return Target(MultiLabel(names) if kind == "labels" else Regression(names), *flat)
