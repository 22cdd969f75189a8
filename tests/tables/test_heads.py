"""A table of a task with several heads: a column for each, every run counted once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from fedsa.runs.finished import Run
from fedsa.scenario import Scenario
from fedsa.tables import definition
from fedsa.tables.making import Making
from tests.tables.conftest import measured

TABLE = """
title = "Heads"
seeds = "0-1"
heads = ["kind", "size"]

[axes.labels]
few = { task.label-share = 0.1 }
many = { task.label-share = 0.5 }

[scenario]
baselines = ["scratch"]
task = { kind = "several", heads = ["kind", "size"], data = "digits-table", items = 300 }
"""


def with_heads(scenario: Scenario, kind: float, size: float) -> Run:
    run = measured(scenario, (kind + size) / 2, scratch=0.3)
    heads = {"student": {"kind": kind, "size": size}, "scratch": {"kind": 0.2, "size": 0.4}}
    return replace(run, heads=heads)


def test_each_head_is_a_column_with_its_own_metric(tmp_path: Path) -> None:
    path = tmp_path / "heads.toml"
    path.write_text(TABLE, encoding="utf-8")
    making = Making(definition.load(path), (0, 1), tmp_path / "out")
    for (cell, scenario), kind in zip(list(making.missing()), (0.8, 0.9, 0.6, 0.7), strict=True):
        folder = making.folder(cell, scenario)
        folder.mkdir(parents=True)
        made = {"code": "x", "commit": "", "versions": dict.fromkeys(VERSIONS, "1"), "machine": "m"}
        making._store.put(scenario, with_heads(scenario, kind, 0.5), made)
    page = making.write().read_text(encoding="utf-8")
    assert "### few" in page and "### many" in page
    assert "| head | kind | size |" in page
    rows = [line for line in page.splitlines() if line.startswith("| fedsa |")]
    assert rows[0].startswith("| fedsa | 85.00") and rows[1].startswith("| fedsa | 65.00")
    assert all("| 50.00 ± 0.00 |" in row for row in rows)
    assert "4 runs" in page
    document = json.loads((tmp_path / "out" / "heads.json").read_text(encoding="utf-8"))
    assert [cell["name"] for cell in document["cells"]] == [
        "few, kind",
        "few, size",
        "many, kind",
        "many, size",
    ]
    assert len(document["runs"]) == 4


VERSIONS = ("fedsa", "flwr", "ray", "torch")
