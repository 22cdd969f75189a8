"""The institution's secret: what makes its noise the same each time, and a riddle to others."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import tempfile
from pathlib import Path

import numpy as np

_BYTES = 32


def read_or_make(path: Path) -> bytes:
    """Return the key in a file that only its owner can read, made if it is not there.

    Several processes may do so at once and get the same key.

    Raises
    ------
    OSError
        If it cannot be read or made, or is no such key.
    """
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".key-") as file:  # 0600
            file.write(secrets.token_bytes(_BYTES))
            file.flush()
            os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(file.name, path)  # whole or not at all, and never over another
    key = path.read_bytes()
    if len(key) != _BYTES:
        raise OSError(f"'{path}' is not a key of {_BYTES} bytes")
    if path.stat().st_mode & 0o077:
        raise OSError(f"'{path}' can be read by others: chmod 600 it")
    return key


def normals(key: bytes, names: list[bytes], width: int) -> np.ndarray:
    """Return standard normal numbers ``(len(names), width)``: a row depends on key and name alone.

    Each row's generator (Philox) is seeded by HMAC-SHA256(key, name), so that rows tell nothing of
    each other to whoever has not the key.
    """
    rows = np.empty((len(names), width))
    for row, name in zip(rows, names, strict=True):
        seed = hmac.digest(key, name, hashlib.sha256)
        generator = np.random.Generator(np.random.Philox(key=int.from_bytes(seed[:16], "big")))
        generator.standard_normal(out=row)
    return rows
