"""Transfer sets at the institution: each travels once, is verified by its hash, then only read.

Chunks are files of their own until all are there, written aside and renamed, so that any number
of processes may receive the same set at once, in any order, and none can see half of anything.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Literal

import numpy as np

from fedsa.data.transfer import content_hash
from fedsa.messages import Offer, Offered
from fedsa.teacher.faults import Fault

LIMIT = 8 * 2**30
"""Bytes that a store may hold before it refuses further sets."""


_READING = threading.Lock()
"""NumPy parses a file's header as Python, and two threads that parse at once can fail the one
or the other with a SystemError on Python up to 3.11.7 (cpython issue 106905)."""


class SetStore:
    """The transfer sets that an institution holds.

    Parameters
    ----------
    folder : Path
        Where they lie; several stores, in several processes, may share it.
    limit : int
        Bytes that the folder may hold.
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
            return _read(self._file(set_hash), "r")
        except FileNotFoundError:
            raise Fault("unknown-set") from None

    def receive(self, offer: Offer) -> Offered:
        """Take an offer: say what is held, or keep its chunk, and the set once it is whole.

        A set whose bytes do not have the hash it was offered under is thrown away and refused.
        """
        part = self._part(offer)
        try:
            found = self._take(part, offer)
        except (FileNotFoundError, FileExistsError):
            # Another process finished the set, or threw it away, under our hands: a file is gone,
            # or the folder was there when it was to be made, and no more when looked for.
            found = Offered("more", 0)
        if not self._file(offer.set_hash).exists():
            return found
        shutil.rmtree(part, ignore_errors=True)  # a late chunk may have begun it anew
        return self._held(offer)

    def _take(self, part: Path, offer: Offer) -> Offered:
        if self._file(offer.set_hash).exists():
            return Offered("held", offer.shape[0])
        if not part.exists() and not self._fits(offer):
            return Offered("refused", 0)
        if offer.chunk is not None:
            self._keep(part, offer.start, offer.chunk)
        # Looked at once, so that a chunk removed meanwhile is missed and not taken for zeros.
        spans = _spans(part)
        held = _reach(spans)
        return (
            self._assemble(part, spans, offer) if held == offer.shape[0] else Offered("more", held)
        )

    def _file(self, set_hash: str) -> Path:
        return self.folder / f"{set_hash}.npy"

    def _part(self, offer: Offer) -> Path:
        shape = "x".join(map(str, offer.shape))
        return self.folder / f"{offer.set_hash}.{offer.dtype}.{shape}.part"

    def _held(self, offer: Offer) -> Offered:
        items = self.open(offer.set_hash)
        if items.shape != offer.shape or items.dtype.name != offer.dtype:
            return Offered("refused", 0)  # the hash covers both, so the offer contradicts itself
        return Offered("held", len(items))

    def _fits(self, offer: Offer) -> bool:
        size = int(np.dtype(offer.dtype).itemsize * np.prod(offer.shape, dtype=np.int64))
        used = sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())
        return used + size <= self.limit

    @staticmethod
    def _keep(part: Path, start: int, chunk: np.ndarray) -> None:
        part.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=part, suffix=".tmp", delete=False) as file:
            np.save(file, chunk, allow_pickle=False)
        os.replace(file.name, part / f"{start}-{start + len(chunk)}.npy")

    def _assemble(self, part: Path, spans: list[tuple[int, int]], offer: Offer) -> Offered:
        with tempfile.NamedTemporaryFile(dir=part, suffix=".tmp", delete=False) as file:
            whole = Path(file.name)
        try:
            # Written and not mapped: a disk without room raises then, where a map would kill.
            with whole.open("wb") as file:
                np.lib.format.write_array_header_1_0(file, _header(offer))
                written = 0
                for start, stop in spans:
                    items = _read(part / f"{start}-{stop}.npy")
                    file.write(items[written - start :].tobytes())
                    written = max(written, stop)
                file.flush()
                os.fsync(file.fileno())
            good = content_hash(_read(whole, "r")) == offer.set_hash
            if good:
                os.replace(whole, self._file(offer.set_hash))
        finally:
            whole.unlink(missing_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        return Offered("held", offer.shape[0]) if good else Offered("refused", 0)


def _header(offer: Offer) -> dict[str, object]:
    """Return what an .npy file of the whole set says of itself."""
    descr = np.lib.format.dtype_to_descr(np.dtype(offer.dtype))
    return {"descr": descr, "fortran_order": False, "shape": offer.shape}


def _read(file: Path, mapped: Literal["r"] | None = None) -> np.ndarray:
    """Return a file's array, in memory or mapped."""
    with _READING:
        items: np.ndarray = np.load(file, mmap_mode=mapped, allow_pickle=False)
    return items


def _spans(part: Path) -> list[tuple[int, int]]:
    """Return the chunks that lie in a folder, ``(start, stop)``, sorted."""
    found = []
    for file in part.glob("*.npy"):
        start, _, stop = file.stem.partition("-")
        found.append((int(start), int(stop)))
    return sorted(found)


def _reach(spans: list[tuple[int, int]]) -> int:
    """Return how many items are there without a gap from the first on."""
    reach = 0
    for start, stop in spans:
        if start > reach:
            break
        reach = max(reach, stop)
    return reach
