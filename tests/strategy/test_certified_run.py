"""A run with a certificate: labels kept apart until the end, and what is promised by them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from fedsa.data.splits import split
from fedsa.data.transfer import to_float
from fedsa.runs.conduct import conduct
from fedsa.runs.folder import RunFolder
from strategies import STRATEGIES
from tests.strategy.conftest import LocalGrid, scenario


@pytest.mark.parametrize("strategy", ["fedsa", "stacking"])
def test_a_run_promises_what_its_held_out_labels_bear(
    strategy: str, pool: Path, tmp_path: Path
) -> None:
    options = scenario(
        student={"steps": 40},
        saliency={"shown": 0},
        certificate={"labels": 60, "delta": 0.1},
        baselines=[],
        strategy=strategy,
    )
    parts = split(options)
    run = RunFolder.create(tmp_path / "run", options)
    conduct(LocalGrid(pool), options, parts, run, STRATEGIES.get(strategy))
    summary = json.loads((run.path / "summary.json").read_text())
    found, seen = summary["certificate"], summary["certificate"]["student"]
    assert (found["labels"], found["delta"]) == (60, 0.1)
    student = torch.export.load(run.path / "student.pt2").module()
    assert parts.held_inputs is not None and parts.held_labels is not None
    answers = student(to_float(parts.held_inputs)).argmax(dim=1).numpy()
    assert seen["errors"] == int((answers != parts.held_labels).sum())
    assert seen["errors"] / 60 < seen["bound"] < seen["errors"] / 60 + 0.12
    if strategy == "stacking":  # it has no prototypes, so no emissions to draw
        assert found["randomised"] is None
    else:
        drawn = found["randomised"]
        assert abs(drawn["error"] - seen["errors"] / 60) < 0.2 < drawn["bound"] < 0.9
    assert "Certificate: error at most" in (run.path / "report.html").read_text()
