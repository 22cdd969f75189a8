"""Labels in a file: which items of the transfer set to label, and what they turned out to be."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedsa.data.draw import content_keys
from fedsa.errors import DataError

COLUMNS = ("item", "key", "mass", "class")
WHERE = "where"
"""A column for people: where the item lies in their own data."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Labelled items of a transfer set, sorted.

    Parameters
    ----------
    items : np.ndarray
        ``(m,)`` int64, indices of the transfer set.
    labels : np.ndarray
        ``(m,)`` int64, places in the task's classes; -1 where the file tells no class.
    masses : np.ndarray | None
        ``(m,)`` float64, sum to one: the share of the transfer set that each stands for; None if
        the file tells none.
    """

    items: np.ndarray
    labels: np.ndarray
    masses: np.ndarray | None


def write(
    path: Path, items: np.ndarray, masses: np.ndarray, inputs: np.ndarray, where: Sequence[str]
) -> None:
    """Write items to be labelled, the ``class`` still to be filled in.

    Parameters
    ----------
    path : Path
        A CSV file.
    items, masses : np.ndarray
        ``(m,)`` each, in the order of their use.
    inputs : np.ndarray
        ``(n, *shape)`` the transfer set; the file tells its items by content too.
    where : Sequence[str]
        Of each of ``items``, for whoever looks it up.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow([*COLUMNS, WHERE])
        keys = content_keys(inputs[items])
        for item, key, mass, place in zip(items, keys, masses, where, strict=True):
            rows.writerow([int(item), f"{int(key):016x}", f"{mass:.6f}", "", place])


def read(path: Path, inputs: np.ndarray, classes: tuple[str, ...]) -> Labels:
    """Read labelled items; only the column ``item`` must be there.

    Parameters
    ----------
    path : Path
        A CSV file with a header, as :func:`write` makes it.
    inputs : np.ndarray
        ``(n, *shape)`` the transfer set.
    classes : tuple[str, ...]
        The task's classes.

    Raises
    ------
    DataError
        Naming the line that is at fault.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"task.labelled: '{path}' cannot be read: {error}.") from None
    if not rows or "item" not in rows[0]:
        raise DataError(
            f"task.labelled: '{path}' names no items; it needs a header with '{COLUMNS[0]}' (and "
            f"may have {', '.join(COLUMNS[1:])}) and a line for each item."
        )
    keys = content_keys(inputs)
    found: dict[int, tuple[int, float]] = {}
    for line, row in enumerate(rows, start=2):
        where = f"task.labelled: '{path}', line {line}"
        item = _number(row.get("item"), f"{where}: item")
        if not item.is_integer() or not 0 <= item < len(inputs):
            raise DataError(f"{where}: there is no item {item:g} among {len(inputs)}.")
        if int(item) in found:
            raise DataError(f"{where}: the item {int(item)} stands there twice.")
        key, name = (row.get("key") or "").strip(), (row.get("class") or "").strip()
        if key and key != f"{int(keys[int(item)]):016x}":
            raise DataError(
                f"{where}: the item {int(item)} of this transfer set is another one than the file "
                "was made for: use the scenario and seed of then."
            )
        if name and not classes:
            raise DataError(
                f"{where}: leave the class empty: the task has several heads, and the labels of "
                "all are taken from the data."
            )
        if name and name not in classes:
            raise DataError(f"{where}: '{name}' is not a class of the task ({', '.join(classes)}).")
        mass = _number(row.get("mass") or "nan", f"{where}: mass")
        found[int(item)] = (classes.index(name) if name else -1, mass)
    items = np.array(sorted(found), np.int64)
    masses = np.array([found[item][1] for item in items])
    known = ~np.isnan(masses)
    if known.any() and not (known.all() and masses.min() >= 0 < masses.sum() < math.inf):
        raise DataError(f"task.labelled: '{path}': give every item a mass from 0, or none.")
    return Labels(
        items,
        np.array([found[item][0] for item in items], np.int64),
        masses / masses.sum() if known.any() else None,
    )


def _number(text: str | None, where: str) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise DataError(f"{where}: '{text or ''}' is not a number.") from None
