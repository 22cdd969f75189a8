"""The ``[compute]`` of a teacher's TOML file: where its model runs, and how much at once."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field

from fedsa.errors import TeacherFileError
from fedsa.teacher.section import Section


class ComputeSection(Section):
    """How the model runs; nothing of it is told outside."""

    device: Annotated[str, Field(pattern=r"^(cpu|auto|cuda(:[0-9]{1,3})?)$")] = "cpu"
    """``cpu``, ``cuda``, ``cuda:N``, or ``auto``: the first GPU if there is one."""
    batch: Annotated[int, Field(ge=1, le=65_536)] = 256
    """Items of one forward pass; halved, for as long as the process runs, when memory is short."""
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """CPU threads of one forward pass; 0 leaves it to PyTorch: all cores, in a simulation one."""
    autocast: Literal["off", "bfloat16", "float16"] = "off"
    """Narrower numbers in forward passes, by ``torch.autocast``; gradients stay in float32."""
    wait_ms: Annotated[float, Field(ge=0.0, le=1000.0)] = 2.0
    """Milliseconds that a pass waits for other callers under way, so as to run with them."""
    concurrency: Annotated[int, Field(ge=1, le=64)] = 1
    """Forward passes at once."""


def device_of(section: ComputeSection) -> torch.device:
    """Return the device that a section names.

    Raises
    ------
    TeacherFileError
        If this machine has no such device.
    """
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    name = section.device
    if name == "auto":
        name = "cuda" if found else "cpu"
    device = torch.device("cuda:0" if name == "cuda" else name)
    if device.type == "cuda" and (device.index or 0) >= found:
        raise TeacherFileError(
            f"compute.device: '{section.device}' is not there, PyTorch finds "
            f"{found or 'no'} GPU{'' if found == 1 else 's'}: use another, or 'cpu'."
        )
    return device


def autocast_of(section: ComputeSection) -> torch.dtype | None:
    """Return the narrower type of a section's forward passes, or None."""
    return None if section.autocast == "off" else getattr(torch, section.autocast)
