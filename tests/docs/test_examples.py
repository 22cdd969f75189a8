"""The code that the documentation shows, run as it stands there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from fedsa.data.splits import split
from fedsa.pools import _make, _write_list
from fedsa.runs.conduct import conduct
from fedsa.runs.folder import RunFolder
from fedsa.scenario import Scenario, load
from strategies import STRATEGIES
from tests.strategy.conftest import LocalGrid, _server

__all__ = ["_server"]

DOCS = Path(__file__).parents[2] / "docs"
SMALL = [
    "student.steps=40",
    "task.items=300",
    "task.label-share=0.1",
    "task.test-items=100",
    "selection.response-items=40",
    "saliency.probe-items=6",
    "saliency.shown=2",
    "fusion.prototypes=8",
    "baselines=[]",
]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(DOCS / "examples" / "confident"))
    monkeypatch.syspath_prepend(str(DOCS / "examples"))
    yield
    for name in ("confident", "own_server", "parts"):
        sys.modules.pop(name, None)


def teach(folder: Path, scenario: Scenario) -> Path:
    """Make a scenario's teachers, in this process and in a hurry."""
    parts, pool = split(scenario), folder / "cache" / "pools" / "here"
    pool.mkdir(parents=True)
    for options in scenario.pool():
        quick = options.model_copy(update={"epochs": min(options.epochs, 4)})
        _make(pool, quick, parts.shards[options.id], scenario.seed)
    _write_list(pool, [options.id for options in scenario.pool()])
    return pool


def run(folder: Path, scenario: Scenario) -> dict[str, object]:
    """Run a scenario as the ServerApp does, its teachers in this process."""
    parts, pool = split(scenario), teach(folder, scenario)
    runs = RunFolder.create(folder / "run", scenario)
    conduct(LocalGrid(pool), scenario, parts, runs, STRATEGIES.get(scenario.strategy))
    found: dict[str, object] = json.loads((runs.path / "summary.json").read_text())
    return found


def test_a_strategy_of_ones_own(tmp_path: Path) -> None:
    scenario = load(DOCS / "examples" / "confident" / "confident.toml", SMALL)
    summary = run(tmp_path, scenario)
    assert (summary["status"], summary["strategy"]) == ("finished", "confident:strategy")
    # Least sure of all is the one that never learnt anything.
    assert [entry["selected"] for entry in summary["rounds"]] == [["high", "low"]] * 2  # type: ignore[attr-defined]
    events = RunFolder(tmp_path / "run").events("selection")
    assert all(reason.startswith("sure of ") for reason in events[0]["reasons"].values())


def test_the_other_parts_together(tmp_path: Path) -> None:
    document = [
        'strategy="fedsa"',
        'selection.selector="confident:Confident"',
        'fusion.fusion="parts:MostSure"',
        'saliency.method="parts:brightness"',
        'student.model="parts:linear"',
        'task.data="parts:stripes"',
        "task.classes=[]",
    ]
    scenario = load(DOCS / "examples" / "confident" / "confident.toml", [*SMALL, *document])
    teachers = [
        teacher.model_copy(
            update={"data": "parts:stripes", "classes": (), "items": 50, "model": "parts:linear"}
        )
        for teacher in scenario.teachers
    ]
    summary = run(tmp_path, scenario.model_copy(update={"teachers": tuple(teachers)}))
    assert summary["status"] == "finished"
    assert summary["metrics"]["student"] > 0.9  # type: ignore[index]


def test_the_strategy_in_a_server_of_ones_own(tmp_path: Path) -> None:
    from own_server import amalgamate  # type: ignore[import-not-found]

    scenario = load(DOCS / "examples" / "confident" / "confident.toml", SMALL)
    parts, grid = split(scenario), LocalGrid(teach(tmp_path, scenario))
    student = amalgamate(
        grid, parts.transfer.array, parts.labelled, parts.labels, parts.classes, steps=40
    )
    said = student(torch.from_numpy(parts.test_inputs)).argmax(dim=1).numpy()
    assert (said == parts.test_labels).mean() > 0.4  # chance is 0.1


@pytest.mark.parametrize("path", sorted((DOCS / "examples").rglob("*.py")), ids=lambda p: p.name)
def test_pages_show_the_code_that_runs(path: Path) -> None:
    page = DOCS.parent / "README.md" if path.stem == "own_server" else DOCS / "strategies.md"
    text = page.read_text(encoding="utf-8")
    shown = [part.strip() for part in path.read_text(encoding="utf-8").split("\n\n\n")[1:]]
    assert shown and all(part in text for part in shown)
