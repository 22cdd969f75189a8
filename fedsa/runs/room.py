"""Is there room on the disk? What fails for lack of it does not always say so."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

LEAST = 2**16
"""Bytes below which a disk counts as full."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_full(folder: Path, error: BaseException | None = None) -> bool:
    """Whether something in ``folder`` failed for lack of room.

    Parameters
    ----------
    folder : Path
        Where it was written.
    error : BaseException | None
        What was raised, if it is known: writers of tensors raise errors of their own.
    """
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    if error is not None and "no space left" in str(error).lower():
        return True
    try:
        return shutil.disk_usage(folder).free < LEAST
    except OSError:
        return False


def full(folder: Path) -> str:
    """Return the sentence about it."""
    return (
        f"There is no room left for '{folder}' (a full disk, a quota or a limit on file sizes): "
        f"make room and go on with --resume {folder}."
    )
