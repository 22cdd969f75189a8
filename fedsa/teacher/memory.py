"""Work in portions that fit into memory: one that does not is halved, and that is remembered."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
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
            gc.collect()
            if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
                torch.cuda.empty_cache()
        return found
