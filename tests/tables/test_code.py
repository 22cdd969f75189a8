"""A result is made again when what it was made with has changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fedsa.scenario import parse
from fedsa.tables.code import circumstances, digest


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
