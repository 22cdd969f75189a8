"""Exported programs, and the parts of their archives to tamper with."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def export(path: Path, model: torch.nn.Module, dynamic: bool = True, size: int = 12) -> None:
    """Write a model of grey images as a program."""
    shapes = ({0: torch.export.Dim("n")},) if dynamic else None
    example = (torch.zeros(2, 1, size, size),)
    torch.export.save(torch.export.export(model, example, dynamic_shapes=shapes), path)


def repack(file: Path, name: str, content: bytes) -> None:
    """Write an archive anew with one part put in or replaced."""
    with zipfile.ZipFile(file) as archive:
        members = {info: archive.read(info) for info in archive.namelist()}
    root = next(iter(members)).partition("/")[0]
    members[f"{root}/{name}"] = content
    with zipfile.ZipFile(file, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)


def change(file: Path, part: str, how: Callable[[Any], Any]) -> None:
    """Write an archive anew with one of its JSON parts changed."""
    with zipfile.ZipFile(file) as archive:
        (member,) = [name for name in archive.namelist() if name.endswith(part)]
        held = json.loads(archive.read(member))
    repack(file, part, json.dumps(how(held)).encode())
