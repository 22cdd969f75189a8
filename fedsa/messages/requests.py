"""What may be asked of a teacher. There is nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fedsa.messages.checks import (
    FORMS,
    MAX_CHUNK_BYTES,
    SET_DTYPES,
    MessageError,
    as_indices,
    check_choice,
    check_hash,
    check_method,
    check_shape,
    check_teacher,
    check_whole,
)
from fedsa.messages.wire import Wired, check_maps
from fedsa.saliency.compact import CompactMaps


@dataclass(frozen=True)
class Describe(Wired):
    """Ask a node for the cards of its teachers."""


@dataclass(frozen=True, eq=False)
class Offer(Wired):
    """Offer a transfer set: a large one first by name (``chunk`` None), then chunk by chunk.

    Parameters
    ----------
    teacher : str
        Whom it is offered to.
    set_hash : str
        Content hash of the whole set.
    dtype, shape : str, tuple[int, ...]
        Of the whole set, ``(n, *item)``.
    start : int
        Index of the chunk's first item.
    chunk : np.ndarray | None
        ``(k, *item)``, at most ``MAX_CHUNK_BYTES`` or a single item.
    """

    teacher: str
    set_hash: str
    dtype: str
    shape: tuple[int, ...]
    start: int = 0
    chunk: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_teacher(self.teacher)
        check_hash(self.set_hash)
        check_choice("dtype", self.dtype, SET_DTYPES)
        check_shape(self.shape, self.dtype)
        check_whole("start", self.start, 0, self.shape[0] - 1)
        chunk = self.chunk
        if chunk is None:
            return
        if chunk.dtype.name != self.dtype or chunk.ndim < 2 or chunk.shape[1:] != self.shape[1:]:
            raise MessageError("The message's chunk is not made of the set's items.")
        if not 1 <= len(chunk) <= self.shape[0] - self.start:
            raise MessageError("The message's chunk is empty or reaches beyond the set's end.")
        if len(chunk) > 1 and chunk.nbytes > MAX_CHUNK_BYTES:
            raise MessageError(f"The message's chunk is over {MAX_CHUNK_BYTES >> 20} MiB.")


def offers(teacher: str, set_hash: str, items: np.ndarray, start: int = 0) -> Iterator[Offer]:
    """Yield the offers that carry ``items`` from ``start`` on, in order."""
    step = max(1, MAX_CHUNK_BYTES // max(1, items[:1].nbytes))
    shape = tuple(int(size) for size in items.shape)
    for first in range(start, len(items), step):
        chunk = np.ascontiguousarray(items[first : first + step])
        yield Offer(teacher, set_hash, items.dtype.name, shape, first, chunk)


@dataclass(frozen=True, eq=False)
class _Asked(Wired):
    """A question about items of a set that was offered before."""

    teacher: str
    set_hash: str
    indices: np.ndarray

    def __post_init__(self) -> None:
        check_teacher(self.teacher)
        check_hash(self.set_hash)
        object.__setattr__(self, "indices", as_indices(self.indices))


@dataclass(frozen=True, eq=False)
class Predict(_Asked):
    """Ask for class distributions, in the given form (``uint8`` or ``float16``)."""

    form: str = "uint8"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("form", self.form, FORMS)


@dataclass(frozen=True, eq=False)
class Saliency(_Asked):
    """Ask for compact maps: ``method``, pooled to ``grid`` x ``grid``, ``bits`` a cell."""

    method: str
    grid: int
    bits: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_method(self.method)
        check_whole("grid", self.grid, 1, 32)
        check_whole("bits", self.bits, 1, 8)


@dataclass(frozen=True, eq=False)
class Score(_Asked):
    """Ask how close the teacher's look is to these maps of the student's, ``(n, cells)``."""

    method: str
    maps: CompactMaps

    def __post_init__(self) -> None:
        super().__post_init__()
        check_method(self.method)
        check_maps(self.maps)
        if len(self.maps.values) != len(self.indices):
            raise MessageError("The message holds more or fewer maps than indices.")


Request = Describe | Offer | Predict | Saliency | Score
