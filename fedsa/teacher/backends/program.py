"""A model from an exported program (``.pt2``), read so that nothing in the file can run code."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export.passes import move_to_device_pass

from fedsa.errors import TeacherFileError
from fedsa.teacher.backends import pt2_archive
from fedsa.teacher.backends.module import TorchBackend
from fedsa.teacher.backends.pt2_graph import NotPlain
from fedsa.teacher.card_file import CardFile
from fedsa.teacher.compute import autocast_of


class Program(nn.Module):
    """An exported program as a module.

    Programs are often exported for batches of at least two items, so one item is doubled.
    """

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.graph = graph.requires_grad_(False)

    def train(self, mode: bool = True) -> Program:
        """Do nothing: a program is frozen in the mode of its export."""
        self.training = False
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(n, *shape)`` to raw outputs ``(n, outputs)``."""
        if len(inputs) != 1:
            raw: Tensor = self.graph(inputs)
            return raw
        doubled: Tensor = self.graph(inputs.repeat(2, *[1] * (inputs.ndim - 1)))
        return doubled[:1]


def load(card: CardFile, device: torch.device) -> TorchBackend:
    """Load the program that a card file names.

    Raises
    ------
    TeacherFileError
        As :func:`from_program`.
    """
    assert card.model.program is not None
    path = card.model.program
    return TorchBackend(from_program(path, device), (path,), device, autocast_of(card.compute))


def from_program(path: Path, device: torch.device) -> nn.Module:
    """Load a ``.pt2`` file as a module.

    Raises
    ------
    TeacherFileError
        If it is damaged or holds parts that could run code when read.
    """
    try:
        program = torch.export.load(pt2_archive.plain(path.read_bytes()))
        if device.type != "cpu":  # an export has its device written into the graph as well
            program = move_to_device_pass(program, device)
        return Program(program.module())
    except NotPlain as fault:
        raise TeacherFileError(
            f"'{path.name}' holds more than plain data, or has the layout of an old PyTorch "
            f"({fault}): export a network of standard operators that takes one tensor and gives "
            "one, with torch.export.save of a new PyTorch."
        ) from None
    except Exception as error:  # damage makes PyTorch raise a dozen types
        reason = str(error).partition("\n")[0].rstrip(".")
        raise TeacherFileError(f"'{path}' is not a whole .pt2 file: {reason}.") from None
