"""Saliency maps made small: a few dozen cells of a few bits say where a network looks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fedsa.errors import DataError

if TYPE_CHECKING:  # a process that only forwards questions knows the maps' form, and no network
    from torch import Tensor

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class CompactMaps:
    """Quantised maps of one network on the probe items.

    Parameters
    ----------
    values : np.ndarray
        ``(n, cells)`` uint8 in ``0 .. 2**bits - 1``; each map's largest cell has the top value
        (a map of zeros stays zero).
    bits : int
        Bits a cell, 1 to 8.

    Raises
    ------
    DataError
        If the values are not ``(n, cells)`` uint8 within ``bits`` bits.
    """

    values: Bytes
    bits: int

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 8:
            raise DataError(f"Compact maps have 1 to 8 bits a cell, not {self.bits}.")
        if self.values.ndim != 2 or self.values.dtype != np.uint8:
            raise DataError("Compact maps are uint8 of shape (items, cells).")
        if self.values.size and int(self.values.max()) >= 1 << self.bits:
            raise DataError(f"Compact maps hold a value that does not fit {self.bits} bits.")

    @property
    def nbytes(self) -> int:
        """Bytes that the maps take when packed."""
        return math.ceil(self.values.size * self.bits / 8)

    def dense(self) -> npt.NDArray[np.float32]:
        """Return ``(n, cells)`` float32 maps that sum to one (maps of zeros stay zero)."""
        values = self.values.astype(np.float32)
        total = values.sum(axis=1, keepdims=True)
        dense: npt.NDArray[np.float32] = values / np.maximum(total, 1.0)
        return dense

    def packed(self) -> bytes:
        """Return the cells as a stream of bits, most significant first, :attr:`nbytes` long."""
        bits = np.unpackbits(self.values[..., None], axis=2)[..., 8 - self.bits :]
        return np.packbits(bits.reshape(-1)).tobytes()

    @classmethod
    def unpacked(cls, stream: bytes, items: int, cells: int, bits: int) -> CompactMaps:
        """Return the maps that :meth:`packed` turned into ``stream``.

        Raises
        ------
        DataError
            If the stream is not as long as ``items * cells`` values of ``bits`` bits.
        """
        if not 1 <= bits <= 8 or len(stream) != math.ceil(items * cells * bits / 8):
            raise DataError(
                f"{len(stream)} bytes are not {items} maps of {cells} cells with {bits} bits."
            )
        flat = np.unpackbits(np.frombuffer(stream, np.uint8), count=items * cells * bits)
        weights = (1 << np.arange(bits - 1, -1, -1)).astype(np.uint8)
        values = (flat.reshape(items, cells, bits) * weights).sum(axis=2, dtype=np.uint8)
        return cls(values, bits)


def packed_each(maps: CompactMaps) -> list[bytes]:
    """Return every map packed by itself, as ``CompactMaps(values[i : i + 1], bits).packed()``."""
    bits = np.unpackbits(maps.values[..., None], axis=2)[..., 8 - maps.bits :]
    return [row.tobytes() for row in np.packbits(bits.reshape(len(maps.values), -1), axis=1)]


def unpacked_each(streams: list[bytes], cells: int, bits: int) -> CompactMaps:
    """Return the maps that :func:`packed_each` turned into ``streams``, at least one.

    Raises
    ------
    DataError
        If a stream is not as long as ``cells`` values of ``bits`` bits.
    """
    size = math.ceil(cells * bits / 8)
    if not 1 <= bits <= 8 or {len(stream) for stream in streams} != {size}:
        raise DataError(f"The streams are not one map each of {cells} cells with {bits} bits.")
    rows = np.frombuffer(b"".join(streams), np.uint8).reshape(len(streams), size)
    flat = np.unpackbits(rows, axis=1, count=cells * bits).reshape(len(streams), cells, bits)
    weights = (1 << np.arange(bits - 1, -1, -1)).astype(np.uint8)
    return CompactMaps((flat * weights).sum(axis=2, dtype=np.uint8), bits)


def compact(maps: Tensor, grid: int, bits: int) -> CompactMaps:
    """Pool maps to a grid, normalise each to a sum of one, and quantise by its largest cell.

    Parameters
    ----------
    maps : Tensor
        ``(n, *spatial)``, not negative: images ``(n, H, W)``, anything one-dimensional ``(n, d)``.
    grid : int
        Images become ``grid x grid`` cells, whatever their size; vectors keep one cell a feature
        up to ``grid * grid`` and are pooled to that many beyond; volumes get about as many.
    bits : int
        Bits a cell, 1 to 8.

    Raises
    ------
    DataError
        If a value is negative or not finite, or the maps are not one- to three-dimensional.
    """
    return quantised(pooled(maps, grid), bits)


def cells(spatial: tuple[int, ...], grid: int) -> int:
    """Return how many cells :func:`compact` makes of a map of a ``spatial`` size.

    Examples
    --------
    >>> cells((28, 28), 7), cells((13,), 7), cells((60,), 7)
    (49, 13, 49)
    """
    if len(spatial) == 1:
        return min(spatial[0], grid * grid)
    return grid * grid if len(spatial) == 2 else _side(grid) ** 3


def pooled(maps: Tensor, grid: int) -> Tensor:
    """Return maps ``(n, *spatial)`` pooled as :func:`compact` does, float64 ``(n, cells)``.

    Raises
    ------
    DataError
        As :func:`compact`.
    """
    import torch
    from torch.nn import functional as F

    maps = maps.detach().to(torch.float64).cpu()
    if not bool(torch.isfinite(maps).all()) or bool((maps < 0).any()):
        raise DataError("Saliency maps must be finite and not negative.")
    # Summing would overflow or vanish for extreme scales; the scale means nothing anyway.
    maps = maps / maps.flatten(1).amax(dim=1).clamp_min(1e-300).view(-1, *[1] * (maps.ndim - 1))
    if maps.ndim == 2:
        found = F.adaptive_avg_pool1d(maps[:, None], cells((maps.shape[1],), grid))
    elif maps.ndim == 3:
        found = F.adaptive_avg_pool2d(maps[:, None], grid)
    elif maps.ndim == 4:
        found = F.adaptive_avg_pool3d(maps[:, None], _side(grid))
    else:
        raise DataError(f"Saliency maps have one to three dimensions, not {maps.ndim - 1}.")
    return found.flatten(1)


def quantised(cells: Tensor, bits: int) -> CompactMaps:
    """Return pooled maps ``(n, cells)``, not negative, with ``bits`` a cell."""
    share = cells / cells.amax(dim=1, keepdim=True).clamp_min(1e-300)
    levels = (1 << bits) - 1
    return CompactMaps((share * levels).round().numpy().astype(np.uint8), bits)


def _side(grid: int) -> int:
    return round(math.cbrt(grid * grid))
