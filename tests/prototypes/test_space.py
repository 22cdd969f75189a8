"""Responsibilities, and the task's head on them."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fedsa.models import build
from fedsa.prototypes.space import Prototypes, TaskHead
from fedsa.runs.checkpoint import export
from fedsa.task import Classification, Regression, Several


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.floats(0.1, 100.0), st.floats(1e-3, 1e3))
def test_responsibilities_are_distributions_of_directions(
    width: int, prototypes: int, concentration: float, length: float
) -> None:
    space = Prototypes(width, prototypes, concentration)
    embedding = torch.randn(7, width)
    found = space(embedding)
    assert found.shape == (7, prototypes) and bool((found >= 0).all())
    torch.testing.assert_close(found.sum(dim=1), torch.ones(7))
    torch.testing.assert_close(space(length * embedding), found, atol=1e-3, rtol=1e-3)


def test_responsibilities_by_hand() -> None:
    """Two prototypes at a right angle, kappa = ln 3: an item on the first has odds of 3 to 1."""
    space = Prototypes(2, 2, math.log(3.0))
    space.centres.data = torch.tensor([[2.0, 0.0], [0.0, 0.5]])
    found = space(torch.tensor([[5.0, 0.0], [1.0, 1.0]]))
    torch.testing.assert_close(found, torch.tensor([[0.75, 0.25], [0.5, 0.5]]))


def test_the_head_begins_as_the_mixture_of_emissions() -> None:
    space = Prototypes(3, 2, 1.0)
    emission = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]])
    head, embedding = TaskHead(space, Classification(("a", "b", "c"))), torch.randn(6, 3)
    head.start(emission)
    torch.testing.assert_close(head.emission, emission, atol=1e-5, rtol=0)
    expected = space(embedding) @ emission
    torch.testing.assert_close(head(embedding).softmax(dim=1), expected, atol=1e-5, rtol=1e-5)


def test_an_exported_student_needs_no_fedsa(tmp_path: Path) -> None:
    """Loaded by a process in which fedsa cannot be imported, for any batch size."""
    space = Prototypes(8, 5, 10.0)
    task = Several({"kind": Classification(("a", "b")), "size": Regression(("size",))})
    head = TaskHead(space, task)
    head.start(torch.rand(5, 3))
    student = nn.Sequential(build("conv", (1, 12, 12), 8, seed=1), head).eval()
    inputs = torch.rand(9, 1, 12, 12)
    with torch.no_grad():
        export(student, torch.zeros(2, 1, 12, 12), tmp_path / "student.pt2")
        torch.save({"inputs": inputs, "expected": student(inputs)}, tmp_path / "case.pt")
    script = (
        "import sys, torch\n"
        "sys.modules['fedsa'] = None\n"
        "case = torch.load('case.pt', weights_only=True)\n"
        "program = torch.export.load('student.pt2').module()\n"
        "for n in (1, 2, 3, 9):\n"
        "    raw = program(case['inputs'][:n])\n"
        "    torch.testing.assert_close(raw, case['expected'][:n], atol=1e-5, rtol=1e-5)\n"
        "print('same')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "same\n", done.stderr
