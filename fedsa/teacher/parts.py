"""A transfer set on its way: chunks are files of their own until all are there.

Files are written aside and renamed, so that a kill at any moment leaves whole chunks behind, from
which the next offer goes on.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np

from fedsa.data.transfer import content_hash
from fedsa.messages import Offer
from fedsa.teacher.faults import Fault

MOST = 2**14
"""Chunks that one set may come in."""
_FILE = 2**13  # bytes of a disk that a file, or a folder, may take beyond what is in it

_READING = threading.Lock()
"""NumPy parses a file's header as Python, and two threads that parse at once can fail the one
or the other with a SystemError on Python up to 3.11.7 (cpython issue 106905)."""


class Part:
    """What has come of a set; its methods are for one caller at a time.

    Parameters
    ----------
    folder : Path
        Where the chunks lie, named by what the set is said to be; made with the first of them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.set_hash, self._dtype, sizes, _ = folder.name.split(".")
        self._shape = tuple(map(int, sizes.split("x")))

    @classmethod
    def of(cls, offer: Offer, store: Path) -> Part:
        """Return the part, in a store's folder, that an offer belongs to."""
        sizes = "x".join(map(str, offer.shape))
        return cls(store / f"{offer.set_hash}.{offer.dtype}.{sizes}.part")

    @property
    def room(self) -> int:
        """Bytes that its chunks can come to take, however many of them are there yet."""
        files = 1 + min(self._shape[0], MOST)
        return math.prod(self._shape) * np.dtype(self._dtype).itemsize + files * _FILE

    @property
    def touched(self) -> float:
        """When something was added to it, in seconds since 1970."""
        return self.folder.stat().st_mtime

    @property
    def held(self) -> int:
        """Items that are there without a gap from the first on."""
        return next((start for start, _ in self._gaps(0, self._shape[0])), self._shape[0])

    def keep(self, start: int, chunk: np.ndarray) -> None:
        """Keep what is new of a chunk: no item lies here twice, however the chunks overlap.

        Raises
        ------
        Fault
            ``room`` if there are too many chunks.
        """
        self.folder.mkdir(exist_ok=True)
        gaps = self._gaps(start, start + len(chunk))
        if len(self._spans()) + len(gaps) > MOST:
            raise Fault("room")
        for first, stop in gaps:
            with self._aside() as aside:
                with aside.open("wb") as file:
                    np.save(file, chunk[first - start : stop - start], allow_pickle=False)
                os.replace(aside, self._file(first, stop))

    def assemble(self, target: Path) -> bool:
        """Put the whole set together as ``target``; False, and no file, if its hash is another."""
        with self._aside() as aside:
            # Written and not mapped: a disk without room raises then, where a map would kill.
            with aside.open("wb") as file:
                np.lib.format.write_array_header_1_0(file, self._header())
                try:
                    for span in self._spans():
                        file.write(read(self._file(*span)).tobytes())
                except (EOFError, ValueError):  # a power cut can leave a chunk empty
                    return False
                file.flush()
                os.fsync(file.fileno())
            if content_hash(read(aside, "r")) != self.set_hash:
                return False
            os.replace(aside, target)
        return True

    def _file(self, start: int, stop: int) -> Path:
        return self.folder / f"{start}-{stop}.npy"

    @contextmanager
    def _aside(self) -> Iterator[Path]:
        """Yield where to write a file until it can be renamed; nothing stays there."""
        aside = self.folder / "aside.tmp"
        try:
            yield aside
        finally:
            aside.unlink(missing_ok=True)

    def _header(self) -> dict[str, object]:
        """Return what an .npy file of the whole set says of itself."""
        descr = np.lib.format.dtype_to_descr(np.dtype(self._dtype))
        return {"descr": descr, "fortran_order": False, "shape": self._shape}

    def _spans(self) -> list[tuple[int, int]]:
        """Return the chunks that lie here, ``(start, stop)``, sorted."""
        found = []
        for file in self.folder.glob("*.npy"):
            start, _, stop = file.stem.partition("-")
            found.append((int(start), int(stop)))
        return sorted(found)

    def _gaps(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return the spans of items from ``start`` to ``stop`` that no chunk holds, sorted."""
        found = []
        for first, last in self._spans():
            if start < min(first, stop):
                found.append((start, min(first, stop)))
            start = max(start, last)
        return [*found, (start, stop)] if start < stop else found


def read(file: Path, mapped: Literal["r"] | None = None) -> np.ndarray:
    """Return the array of an .npy file, in memory or mapped."""
    with _READING:
        items: np.ndarray = np.load(file, mmap_mode=mapped, allow_pickle=False)
    return items
