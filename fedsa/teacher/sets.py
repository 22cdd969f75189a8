"""Transfer sets at the institution: each travels once, is verified by its hash, then only read.

Any number of processes may receive the same set at once, in any order: one at a time adds to the
store, and a set shows only when it is whole.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fedsa.messages import Offer, Offered
from fedsa.teacher.faults import Fault
from fedsa.teacher.parts import Part, read

LIMIT = 8 * 2**30
"""Bytes that the sets of a store may take, those on their way with all that is still to come. One
that is being put together lies there twice for that moment."""
IDLE = 86_400.0
"""Seconds without a new chunk after which a set on its way gives way to another."""


class SetStore:
    """The transfer sets that an institution holds.

    Parameters
    ----------
    folder : Path
        Where they lie, on a disk of this machine; several stores, in several processes, may share
        it.
    limit : int
        Bytes that they may take.
    """

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self.folder = folder
        self.limit = limit

    def open(self, set_hash: str) -> np.ndarray:
        """Return a set's items ``(n, *item)``, read-only and memory-mapped.

        Raises
        ------
        Fault
            ``unknown-set`` if the store does not hold it.
        """
        try:
            return read(self._file(set_hash), "r")
        except FileNotFoundError:
            raise Fault("unknown-set") from None

    def receive(self, offer: Offer) -> Offered:
        """Take an offer: say what is held, or keep its chunk, and the set once it is whole.

        A set whose bytes do not have the hash it was offered under is thrown away and refused.

        Raises
        ------
        Fault
            ``room`` if the set, or one more chunk of it, would be too much.
        """
        file = self._file(offer.set_hash)
        if not file.exists():
            with self._alone():
                if not file.exists():  # else somebody has finished it while this one waited
                    return self._take(offer)
        return self._held(offer)

    def _file(self, set_hash: str) -> Path:
        return self.folder / f"{set_hash}.npy"

    def _held(self, offer: Offer) -> Offered:
        items = self.open(offer.set_hash)
        if items.shape != offer.shape or items.dtype.name != offer.dtype:
            return Offered("refused", 0)  # the hash covers both, so the offer contradicts itself
        return Offered("held", len(items))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until nobody else adds to the store, in any process; a kill lets go of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # a forked child may hold the file open for longer
            os.close(lock)

    def _take(self, offer: Offer) -> Offered:
        part = Part.of(offer, self.folder)
        if not part.folder.exists():
            self._admit(part, begins=offer.chunk is not None)
        if offer.chunk is not None:
            part.keep(offer.start, offer.chunk)
        if (held := part.held) < offer.shape[0]:
            return Offered("more", held)
        good = part.assemble(self._file(offer.set_hash))
        # Beside a set that is there, whatever else its hash was offered for was wrong.
        for gone in self.folder.glob(f"{offer.set_hash}.*.part") if good else [part.folder]:
            shutil.rmtree(gone, ignore_errors=True)
        return Offered("held", held) if good else Offered("refused", 0)

    def _admit(self, part: Part, begins: bool) -> None:
        """Refuse a new part that has no room; drop idle ones that are in its way when it begins."""
        parts = sorted(map(Part, self.folder.glob("*.*.*.part")), key=lambda one: one.touched)
        used = sum(file.stat().st_size for file in self.folder.glob("*.npy"))
        excess = used + sum(one.room for one in [*parts, part]) - self.limit
        idle = [one for one in parts if time.time() - one.touched > IDLE]
        if excess > sum(one.room for one in idle):
            raise Fault("room")
        for one in idle:
            if begins and excess > 0:
                shutil.rmtree(one.folder)
                excess -= one.room
