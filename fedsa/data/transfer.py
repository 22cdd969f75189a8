"""A transfer set: the items that teachers are asked about, known by what is in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor


def content_hash(array: np.ndarray) -> str:
    """Return the SHA-256 of an array's dtype, shape and bytes (little-endian, C order), as hex."""
    array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
    digest = hashlib.sha256(f"{array.dtype.name}{list(array.shape)}".encode())
    digest.update(array.reshape(-1).view(np.uint8).data)  # in place: sets may be larger than memory
    return digest.hexdigest()


def to_float(array: np.ndarray) -> Tensor:
    """Return items as a network takes them: float32, uint8 images scaled to [0, 1]."""
    tensor = torch.tensor(array)
    if tensor.dtype == torch.uint8:
        return tensor.to(torch.float32) / 255
    return tensor.to(torch.float32)


@dataclass(frozen=True, eq=False)
class TransferSet:
    """One array of items; once offered to a teacher, questions name it by hash and indices.

    Parameters
    ----------
    array : np.ndarray
        uint8 ``(n, C, H, W)`` or float32 ``(n, ...)``.
    hash : str
        Its :func:`content_hash`, computed on construction.
    """

    array: np.ndarray
    hash: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hash", content_hash(self.array))

    def __len__(self) -> int:
        return len(self.array)
