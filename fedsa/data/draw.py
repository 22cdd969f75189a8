"""Drawing items by class, and telling them apart by content."""

from __future__ import annotations

import hashlib

import numpy as np

from fedsa.data.allot import spread
from fedsa.data.dataset import Dataset
from fedsa.errors import DataError


def class_numbers(data: Dataset, names: tuple[str, ...], key: str) -> np.ndarray:
    """Return the numbers of the named classes (all, if none is named), in the order named.

    Raises
    ------
    DataError
        If there is no such class, one is named twice, or they are fewer than two.
    """
    if unknown := [name for name in names if name not in data.classes]:
        raise DataError(
            f"{key}: '{unknown[0]}' is not a class of '{data.name}'; it has "
            f"{', '.join(data.classes)}."
        )
    chosen = names or data.classes
    if len(chosen) < 2 or len(set(chosen)) < len(chosen):
        raise DataError(f"{key}: at least two classes are needed, each once (data: {data.name}).")
    return np.array([data.classes.index(name) for name in chosen])


def content_keys(items: np.ndarray) -> np.ndarray:
    """Return a 64-bit key of each item's content, ``(n,)``.

    Among a million items two different ones share a key with a chance of 3 in 10^8.
    """
    kind = f"{items.dtype.name}{list(items.shape[1:])}".encode()
    digests = (hashlib.blake2b(kind + item.tobytes(), digest_size=8).digest() for item in items)
    return np.frombuffer(b"".join(digests), np.uint64)


def renumber(labels: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Turn class numbers into places in ``wanted``; int64, -1 where none is known or wanted."""
    places = np.full(max(labels.max(initial=0), wanted.max()) + 1, -1, np.int64)
    places[wanted] = np.arange(len(wanted))
    return np.where(labels < 0, -1, places[labels])


def take(
    draw: np.random.Generator,
    labels: np.ndarray,
    free: np.ndarray,
    wanted: np.ndarray,
    counts: np.ndarray,
) -> np.ndarray:
    """Draw ``counts`` items of the ``wanted`` classes from the indices ``free``, shuffled."""
    own = labels[free]
    chosen = [
        draw.choice(free[own == label], int(count), replace=False)
        for label, count in zip(wanted, counts, strict=True)
    ]
    return draw.permutation(np.concatenate(chosen))


def take_evenly(
    draw: np.random.Generator,
    labels: np.ndarray,
    free: np.ndarray,
    wanted: np.ndarray,
    items: int,
    key: str,
) -> np.ndarray:
    """Draw ``items`` items, balanced over the ``wanted`` classes as far as ``free`` allows.

    Raises
    ------
    DataError
        If there are not as many; ``key`` is the scenario's key that asked for them.
    """
    room = np.array([int((labels[free] == label).sum()) for label in wanted])
    if items > room.sum():
        raise DataError(
            f"{key}: {items} items are wanted but the data has {room.sum()} of the task's classes "
            f"to give; lower it to at most {room.sum()}."
        )
    return take(draw, labels, free, wanted, spread(items, room))


def with_unlabelled(
    draw: np.random.Generator,
    labels: np.ndarray,
    free: np.ndarray,
    wanted: np.ndarray,
    items: int,
    key: str,
) -> np.ndarray:
    """Take all items of the ``wanted`` classes and fill up with items of unknown label, shuffled.

    Raises
    ------
    DataError
        If there are not as many, or more with a label than wanted; ``key`` is the scenario's key.
    """
    known, unknown = free[np.isin(labels[free], wanted)], free[labels[free] < 0]
    if not len(known) <= items <= len(known) + len(unknown):
        raise DataError(
            f"{key}: {items} items are wanted, but the data has {len(known)} with a label, which "
            f"all belong to them, and {len(unknown)} without; set it to a number from {len(known)} "
            f"to {len(known) + len(unknown)}."
        )
    chosen = draw.choice(unknown, items - len(known), replace=False)
    return draw.permutation(np.concatenate([known, chosen]))


def at_random(draw: np.random.Generator, truth: np.ndarray, count: int) -> np.ndarray:
    """Draw ``count`` items whatever their class; return their indices, sorted.

    Each class gets at least one: the first of it that was not drawn takes the place of the last
    one drawn whose class has others.

    Parameters
    ----------
    draw : np.random.Generator
        Source of the draw.
    truth : np.ndarray
        ``(n,)`` class numbers; each from 0 on occurs.
    count : int
        From the number of classes to n.
    """
    order = draw.permutation(len(truth))
    chosen = list(order[:count])
    have = np.bincount(truth[order[:count]], minlength=truth.max() + 1)
    for missing in np.flatnonzero(have == 0):
        gone = max(i for i, item in enumerate(chosen) if have[truth[item]] > 1)
        have[truth[chosen.pop(gone)]] -= 1
        chosen.append(order[np.flatnonzero(truth[order] == missing)[0]])
        have[missing] = 1
    return np.sort(np.array(chosen))
