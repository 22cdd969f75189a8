"""What each step gives is measured on hidden items only, and paired by folder."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fedsa.data.splits import split
from fedsa.messages import CompactAnswers
from fedsa.runs import beliefs_gain
from fedsa.runs.answers import AnswerStore
from fedsa.runs.folder import RunFolder
from fedsa.scenario import parse

TEACHERS = [{"id": name, "data": "digits-table", "items": 100} for name in ("one", "two")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A survey of two teachers: one tells every class, one nothing."""
    task = {"data": "digits-table", "items": 300, "label-share": 0.1}
    scenario = parse({"name": "tiny", "task": task, "teachers": TEACHERS, "threads": 1})
    made = RunFolder.create(tmp_path / "survey", scenario)
    truth = split(scenario).truth
    sure = 0.9 * np.eye(10)[truth] + 0.01
    store = AnswerStore(made.path / "answers", len(truth))
    everything = np.arange(len(truth), dtype=np.int32)
    for name, rows in (("one", sure), ("two", np.full((len(truth), 10), 0.1))):
        store.add(name, everything, CompactAnswers.encode(rows.astype(np.float32), "uint8"))
    return made.path


def test_a_teacher_that_knows_all_makes_all_beliefs_right(folder: Path) -> None:
    before = torch.get_num_threads()
    found = beliefs_gain.measure(folder, 1)
    torch.set_num_threads(before)
    assert found == dict.fromkeys(beliefs_gain.WAYS, 1.0)


def test_gains_are_paired_by_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Gains of 1 and 3 points: mean 2, half of the interval t(.975, 1) = 12.7 times 1."""
    made = {
        "a": {"neither": 0.50, "competence": 0.51, "spreading": 0.50, "both": 0.52, "names": 0.6},
        "b": {"neither": 0.60, "competence": 0.63, "spreading": 0.60, "both": 0.62, "names": 0.7},
    }
    monkeypatch.setattr(beliefs_gain, "measure", lambda folder, each: made[folder.name])
    monkeypatch.setattr(sys, "argv", ["beliefs_gain", "a", "b", "--labels", "5"])
    beliefs_gain.main()
    line = capsys.readouterr().out.splitlines()[-1]
    cells = ["5", "55.0", "57.0 (+2.0 ± 12.7)", "55.0 (+0.0 ± 0.0)", "57.0 (+2.0 ± 0.0)"]
    assert line == f"| {' | '.join(cells)} | 65.0 (+10.0 ± 0.0) |"
