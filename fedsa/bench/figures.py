"""Figures of a benchmark: medians with their range, and the memory that processes have taken."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch


def spread(values: Sequence[float], digits: int = 4) -> dict[str, float]:
    """Return the median of some measurements with the least and the greatest."""
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


def peak(process: psutil.Process) -> int:
    """Return the most resident memory in bytes that a process has had so far.

    Where the system does not tell (it does on Linux), what it has now.
    """
    try:
        for line in Path(f"/proc/{process.pid}/status").read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return int(process.memory_info().rss)


def megabytes(sizes: Iterable[int]) -> int:
    """Return a sum of bytes in whole megabytes (10^6)."""
    return round(sum(sizes) / 1e6)


def machine() -> dict[str, Any]:
    """Return what absolute figures depend on: processor, cores, how busy it was, torch."""
    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "torch": torch.__version__,
    }
