"""One checkpoint a round, whole or absent: written aside, then renamed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch
from torch import nn

from fedsa.runs.memory import Memory


class Checkpoints:
    """The checkpoints of one run.

    Parameters
    ----------
    folder : Path
        Made when missing; holds ``round-01``, ``round-02``, ...
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, memory: Memory, student: nn.Module, example: torch.Tensor) -> Path:
        """Write a round's checkpoint: the memory and the student as ``student.pt2``.

        Parameters
        ----------
        memory : Memory
            After the round.
        student : nn.Module
            The round's student.
        example : torch.Tensor
            ``(2, *shape)`` items, to trace the student with.
        """
        target = self.folder / f"round-{memory.round:02d}"
        aside = self.folder / f".writing-{memory.round:02d}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        memory.save(aside)
        export(student, example, aside / "student.pt2")
        for path in aside.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        shutil.rmtree(target, ignore_errors=True)
        aside.rename(target)
        return target

    def rounds(self) -> list[Path]:
        """Return the whole checkpoints, oldest first."""
        found = self.folder.glob("round-*")
        return sorted(found, key=lambda path: int(path.name.removeprefix("round-")))

    def latest(self) -> Path | None:
        """Return the newest whole checkpoint, if there is one."""
        found = self.rounds()
        return found[-1] if found else None


def export(student: nn.Module, example: torch.Tensor, path: Path) -> None:
    """Write a student as a ``.pt2`` program that loads without fedsa, for any batch size."""
    batch = torch.export.Dim("batch", min=1, max=2**20)
    # The file keeps the example, so it must not be anybody's data.
    inputs = (torch.zeros_like(example),)
    program = torch.export.export(student.eval(), inputs, dynamic_shapes=({0: batch},))
    torch.export.save(program, path)
