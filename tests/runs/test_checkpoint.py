"""Checkpoints are whole or absent, and the student in them loads without fedsa."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fedsa.models import build
from fedsa.runs import checkpoint
from fedsa.runs.checkpoint import Checkpoints, export
from fedsa.runs.memory import Memory

EXAMPLE = torch.zeros(2, 6)


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
    loaded = torch.export.load(path / "student.pt2").module()
    inputs = torch.randn(5, 6)
    torch.testing.assert_close(loaded(inputs), module(inputs))


@pytest.mark.usefixtures("no_export")
def test_two_checkpoints_are_kept_and_a_hundred_rounds_are_in_order(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for number in (1, 2, 3):
        checkpoints.save(Memory(round=number), student(), EXAMPLE)
    assert [path.name for path in checkpoints.rounds()] == ["round-02", "round-03"]
    for number in (98, 99, 100, 101):
        checkpoints.save(Memory(round=number), student(), EXAMPLE)
    assert [path.name for path in checkpoints.rounds()] == ["round-100", "round-101"]
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


@pytest.mark.parametrize(("model", "shape"), [("conv", (1, 12, 12)), ("mlp", (6,))])
def test_an_exported_student_needs_no_fedsa(
    tmp_path: Path, model: str, shape: tuple[int, ...]
) -> None:
    """Loaded by a process in which fedsa cannot be imported, for any batch size."""
    module = build(model, shape, 3, seed=1).eval()
    with torch.no_grad():
        export(module, torch.zeros(2, *shape), tmp_path / "student.pt2")
        inputs = torch.rand(9, *shape, generator=torch.Generator().manual_seed(0))
        torch.save({"inputs": inputs, "expected": module(inputs)}, tmp_path / "case.pt")
    script = (
        "import sys, torch\n"
        "sys.modules['fedsa'] = None\n"
        f"case = torch.load(r'{tmp_path}/case.pt', weights_only=True)\n"
        f"program = torch.export.load(r'{tmp_path}/student.pt2').module()\n"
        "for n in (1, 2, 3, 9):\n"
        "    raw = program(case['inputs'][:n])\n"
        "    torch.testing.assert_close(raw, case['expected'][:n], atol=1e-5, rtol=1e-5)\n"
        "print('same')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "same\n", done.stderr
