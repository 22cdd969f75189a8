"""A model from an exported program (``.pt2``), screened for what could run code on reading.

``torch.export.load`` unpickles some parts of an archive (sample inputs, opaque constants) and
would load compiled libraries; a program as ``torch.export.save`` writes it for a plain network
needs none of that. So only archives made of the known plain parts are read.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export.passes import move_to_device_pass

from fedsa.errors import TeacherFileError
from fedsa.teacher.backends.module import TorchBackend
from fedsa.teacher.card_file import CardFile
from fedsa.teacher.compute import autocast_of

_PLAIN = re.compile(
    r"data/weights/(weight_\d+|[^/]+_weights_config\.json)"
    r"|data/constants/(tensor_\d+|[^/]+_constants_config\.json)"
    r"|models/[^/]+\.json|data/sample_inputs/[^/]+\.pt"
    r"|archive_format|archive_version|byteorder|\.data/(version|serialization_id)|version"
    r"|\.format_version|\.storage_alignment"
)


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
    content = path.read_bytes()  # once, so that what is screened is what is loaded
    try:
        screen(content, path.name)
        program = torch.export.load(io.BytesIO(content))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, RuntimeError) as error:
        raise TeacherFileError(f"'{path}' is not a whole .pt2 file: {error}.") from None
    if device.type != "cpu":  # an export has its device written into the graph as well
        program = move_to_device_pass(program, device)
    return Program(program.module())


def screen(content: bytes, name: str) -> None:
    """Refuse an archive with any part that is not plain data.

    Raises
    ------
    TeacherFileError
        If there is one.
    """
    refusal = TeacherFileError(
        f"'{name}' holds more than plain data (pickled objects, compiled libraries, or the layout "
        "of an old PyTorch): export the network alone, with torch.export.save of a new PyTorch."
    )
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        if len(set(names)) < len(names):
            raise refusal
        for member in names:
            inner = member.partition("/")[2]
            if _PLAIN.fullmatch(inner) is None:
                raise refusal
            if inner.endswith("_config.json") and _pickles(json.loads(archive.read(member))):
                raise refusal
            if inner.endswith(".pt"):
                try:  # what this refuses, torch.export.load would unpickle without it
                    torch.load(io.BytesIO(archive.read(member)), weights_only=True)
                except Exception:  # any failure is a refusal
                    raise refusal from None


def _pickles(config: Any) -> bool:
    entries = config.get("config", config) if isinstance(config, dict) else {}
    return any(not isinstance(entry, dict) or entry.get("use_pickle") for entry in entries.values())
