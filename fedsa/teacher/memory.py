"""Memory: work in portions that fit into it, and passes that do not fetch it anew each time."""

from __future__ import annotations

import ctypes
import gc
import logging
from collections.abc import Callable
from functools import cache
from typing import TypeVar

import torch

_T = TypeVar("_T")
_SAID = (
    "out of memory",
    "can't allocate memory",
    "failed to allocate memory",
    "bad allocation",
    "bad_alloc",
    "alloc_failed",  # of cuBLAS and cuDNN
)

_log = logging.getLogger("fedsa.teacher")  # stays at the institution


_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of the C library's mallopt
_MIB = 2**20


@cache
def keep_freed() -> None:
    """Have the C library keep what a forward pass frees, for the next pass in this process.

    In threads beside the main one it gives such blocks back to the system and gets them anew, page
    by page: a third of a small network's time. Where there is no ``mallopt`` nothing is done.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 32 * _MIB)  # the most that it takes
        mallopt(_TRIM_THRESHOLD, 256 * _MIB)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was short, on the device or in the machine.

    ONNX Runtime and PyTorch's own allocator for the CPU have no type for it, only words.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    words = str(error).lower()
    foreign = isinstance(error, RuntimeError) or type(error).__module__.startswith("onnxruntime")
    return foreign and any(said in words for said in _SAID)


class Portions:
    """Runs work on many items in portions.

    Parameters
    ----------
    size : int
        Items of a portion to begin with.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def run(self, function: Callable[[int, int], _T], items: int) -> list[_T]:
        """Return what ``function(start, stop)`` gives for portions that make up ``items``.

        When memory runs out in a portion, :attr:`size` becomes half of it, and it is done again
        in that size.

        Raises
        ------
        Exception
            What the function raises; also when memory is too short for a single item.
        """
        found, start = [], 0
        while start < items:
            stop = min(items, start + self.size)
            try:
                found.append(function(start, stop))
            except Exception as error:
                if stop - start == 1 or not is_out_of_memory(error):
                    raise
            else:
                start = stop
                continue
            # Only here is the error gone, and with it what its frames held.
            self.size = max(1, min(self.size, (stop - start) // 2))
            _log.warning("out of memory: going on with at most %d items at once", self.size)
            if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
                gc.collect()
                torch.cuda.empty_cache()
        return found
