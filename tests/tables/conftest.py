from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedsa.runs.finished import Run
from fedsa.scenario import Scenario

TABLE = """
title = "Small"
about = "A table to test with."
seeds = "0-1"
strategies = ["fedsa", "random"]

[sees-more]
supervised = "all labels"

[not-run]
"other data" = "not here"

[[parts]]
title = "First"
vary.target = ["all", "two"]
vary.labels = ["few", "many"]

[[parts]]
title = "Second"
vary.labels = ["many"]

[axes.target]
all = {}
two = { task.classes = ["0", "1"] }

[axes.labels]
few = { task.labels-per-class = 1 }
many = { task.label-share = 0.5 }

[scenario]
baselines = ["supervised", "scratch"]
task = { data = "digits-table", items = 300 }
student = { model = "mlp", steps = 40 }
teachers = [{ id = "a", model = "mlp", data = "digits-table", items = 50 }]
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A table's file with four cells in two parts."""
    path = tmp_path / "small.toml"
    path.write_text(TABLE, encoding="utf-8")
    return path


def measured(scenario: Scenario, student: float, **others: float) -> Run:
    """What a run of this scenario might have left."""
    own: dict[str, Any] = {name: others[name] for name in others if name in scenario.baselines}
    return Run(
        folder=Path("somewhere"),
        scenario=scenario.name,
        strategy=scenario.strategy,
        seed=scenario.seed,
        status="finished",
        metrics={"student": student, **own},
        harmful=None,
        seconds=60.0,
        queries=1000.0,
        bytes=2e6,
        setting={},
    )
