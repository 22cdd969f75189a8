"""Checkpoints are whole or absent, and the newest is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fedsa.runs import checkpoint
from fedsa.runs.checkpoint import Checkpoints
from fedsa.runs.memory import Memory

EXAMPLE = torch.full((2, 6), 7.0)


def student(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3)).eval()


@pytest.fixture
def no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tracing takes most of the time and is not what these tests are about."""

    def write(module: nn.Module, example: torch.Tensor, path: Path) -> None:
        path.write_bytes(b"a program")

    monkeypatch.setattr(checkpoint, "export", write)


def test_a_checkpoint_holds_the_memory_and_the_student(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert checkpoints.latest() is None
    module = student()
    path = checkpoints.save(Memory(round=1, state={"x": torch.ones(2)}), module, EXAMPLE)
    assert checkpoints.latest() == path == tmp_path / "checkpoints" / "round-01"
    assert Memory.load(path).round == 1
    program = torch.export.load(path / "student.pt2")
    inputs = torch.randn(5, 6)
    torch.testing.assert_close(program.module()(inputs), module(inputs))
    # The file keeps the example it was traced with: that must not be anybody's item.
    traced = program.example_inputs[0][0]
    assert traced.shape == EXAMPLE.shape and not bool(traced.any())


@pytest.mark.usefixtures("no_export")
def test_a_hundred_rounds_are_in_order(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for number in (100, 98, 101, 99, 2):
        checkpoints.save(Memory(round=number), student(), EXAMPLE)
    names = [path.name for path in checkpoints.rounds()]
    assert names == ["round-02", "round-98", "round-99", "round-100", "round-101"]
    latest = checkpoints.latest()
    assert latest is not None and Memory.load(latest).round == 101


@pytest.mark.parametrize("where", ["memory", "program", "rename"])
@pytest.mark.usefixtures("no_export")
def test_an_interrupted_write_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(Memory(round=1, seconds={"query": 1.0}), student(), EXAMPLE)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if where == "memory":
            patch.setattr(Memory, "save", killed)
        elif where == "program":
            patch.setattr(checkpoint, "export", killed)
        else:
            patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            checkpoints.save(Memory(round=2), student(), EXAMPLE)
    again = Checkpoints(tmp_path)
    latest = again.latest()
    assert latest is not None and Memory.load(latest) == Memory(round=1, seconds={"query": 1.0})
    again.save(Memory(round=2), student(), EXAMPLE)  # what was left aside is in nobody's way
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["round-01", "round-02"]
