"""A result is made again when what it was made with has changed, and not for a comment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedsa.scenario import parse
from fedsa.tables.code import circumstances, digest, meaning

SOURCE = '''
"""A module."""

def double(x):
    """Return twice x."""
    return 2 * x
'''


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("    return", "    # why\n    return", True),
        ("twice x", "two x", True),
        ('"""A module."""\n', "", True),
        ("2 * x", "3 * x", False),
        ("(x)", "(x, y=1)", False),
    ],
)
def test_only_what_runs_has_a_meaning(before: str, after: str, same: bool) -> None:
    assert before in SOURCE
    assert (meaning(SOURCE) == meaning(SOURCE.replace(before, after, 1))) is same


def test_a_persons_own_data_are_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    task = {"data": str(path), "items": 40}
    small = {"saliency": {"probe-items": 9}, "selection": {"response-items": 9}}
    scenario = parse({"name": "x", "task": task, **small})
    found = []
    for seed in (0, 0, 1):
        table = np.random.default_rng(seed).normal(size=(100, 3))
        np.savez(path, inputs=table, labels=np.arange(100) % 2)
        found.append(digest(scenario))
    assert found[0] == found[1] != found[2]


def test_circumstances_name_versions_and_machine() -> None:
    found = circumstances()
    assert found["versions"]["torch"] != "absent" and "cores" in found["machine"]
