"""The items that a question names, brought from the disk only as they are needed."""

from __future__ import annotations

import hashlib

import numpy as np

from fedsa.teacher.faults import Fault

BATCH = 256
"""Items that are brought at once."""


class Asked:
    """Items of a set that is held.

    Parameters
    ----------
    held : np.ndarray
        The whole set, ``(n, *item)``, memory-mapped.
    indices : np.ndarray
        ``(k,)``, within the set.
    """

    def __init__(self, held: np.ndarray, indices: np.ndarray) -> None:
        self._held = held
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one item."""
        return tuple(map(int, self._held.shape[1:]))

    def take(self, places: list[int] | slice) -> np.ndarray:
        """Return the items at some places of the question, ``(k, *item)``."""
        items: np.ndarray = np.asarray(self._held[self.indices[places]])
        return items

    def digests(self) -> list[bytes]:
        """Return the SHA-256 of each item's type, shape and bytes, in the order asked.

        Raises
        ------
        Fault
            ``malformed`` if an item holds a number that is not finite.
        """
        found: list[bytes] = []
        for start in range(0, len(self), BATCH):
            items = np.ascontiguousarray(self.take(slice(start, start + BATCH)))
            if items.dtype.kind == "f" and not np.isfinite(items).all():
                raise Fault("malformed")
            kind = hashlib.sha256(f"{items.dtype.name}{list(items.shape[1:])}".encode())
            for item in items:
                digest = kind.copy()
                digest.update(item)
                found.append(digest.digest())
        return found
