"""A whole run with baselines among institutions that have terms, down to its summary."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flwr.app import Message

from fedsa.data.splits import Split
from fedsa.runs.conduct import conduct
from fedsa.runs.folder import RunFolder
from fedsa.scenario import Scenario
from strategies import STRATEGIES
from tests.strategy.conftest import LocalGrid, scenario
from tests.strategy.institutions import Institutions
from tests.strategy.test_terms import grid_of, spent

pytestmark = pytest.mark.slow  # baselines are trained in processes of their own


def conducted(
    grid: LocalGrid, parts: Split, folder: Path, **changes: object
) -> tuple[dict[str, object], Scenario]:
    options = scenario(student={"steps": 20}, saliency={"shown": 2}, **changes)
    run = RunFolder.create(folder / "run", options)
    conduct(grid, options, parts, run, STRATEGIES.get("fedsa"))
    return json.loads((folder / "run" / "summary.json").read_text()), options


def test_baselines_leave_the_budgets_to_the_run(parts: Split, pool: Path, tmp_path: Path) -> None:
    high = {"calls": ["predict"], "budget": {"predict": 150}}
    grid: Institutions = grid_of(pool, tmp_path, high=high)
    summary, _ = conducted(grid, parts, tmp_path, baselines=["scratch", "uniform"])
    assert set(summary["metrics"]) == {"student", "scratch", "uniform"}  # type: ignore[call-overload]
    (note,) = summary["notes"]  # type: ignore[misc]
    assert note.startswith("The baselines uniform were trained after the run")
    teachers = {one["id"]: one for one in summary["teachers"]}  # type: ignore[attr-defined]
    high_one = teachers["high"]
    used = high_one["queries"]
    assert used + high_one["unused"] == spent(grid, "high", "predict") <= 150
    assert high_one["limits"]["score"] == {"wanted": 10, "left": 0}
    assert high_one["limits"]["predict"]["wanted"] > high_one["limits"]["predict"]["left"]
    assert teachers["low"]["limits"] == {}


def test_a_survey_that_somebody_was_late_for_is_noted(
    parts: Split, pool: Path, tmp_path: Path
) -> None:
    seen = 0

    def delay(message: Message) -> float:
        nonlocal seen
        high = message.metadata.dst_node_id == 12
        seen += high and message.metadata.message_type == "query.predict"
        return 20.0 if high and seen == 1 else 0.0

    grid = LocalGrid(pool, delay=delay)
    federation = {"round-deadline": 5.0, "timeout": 100.0}
    summary, options = conducted(
        grid, parts, tmp_path, baselines=["uniform"], federation=federation
    )
    assert summary["notes"] == [
        "The baselines were trained on 0 of 240 answers of the teacher 'high', as the others had "
        "not come when they began."
    ]
    assert options.federation.round_deadline == 5.0
    # What came late was outside the run's account: nothing of it is charged that was not used.
    (high,) = [one for one in summary["teachers"] if one["id"] == "high"]  # type: ignore[attr-defined]
    assert high["unused"] is None
