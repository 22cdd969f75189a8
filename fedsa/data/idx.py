"""The idx format, in which the MNIST family of datasets is published."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from fedsa.errors import DataError


def read_idx(path: Path) -> np.ndarray:
    """Read a gzipped idx file of bytes.

    The header is two zero bytes, the type (8: unsigned byte), the number of dimensions, then
    each dimension as a big-endian 32-bit integer; the numbers follow.

    Returns
    -------
    np.ndarray
        uint8, of the shape that the header says.

    Raises
    ------
    DataError
        If the file cannot be read or is not such a file.
    """
    try:
        with gzip.open(path, "rb") as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"The data file '{path}' cannot be read: {error}.") from None
    dimensions = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    start = 4 + 4 * dimensions
    shape = tuple(int(size) for size in np.frombuffer(content[4:start][: 4 * dimensions], ">u4"))
    if not dimensions or len(content) - start != math.prod(shape):
        raise DataError(f"The data file '{path}' is not a whole idx file of bytes: get it anew.")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
