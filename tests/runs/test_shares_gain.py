"""What told class shares give is measured on hidden items, with labels drawn in two ways."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fedsa.data.splits import split
from fedsa.messages import CompactAnswers
from fedsa.runs import shares_gain
from fedsa.runs.answers import AnswerStore
from fedsa.runs.folder import RunFolder
from fedsa.scenario import parse

TEACHERS = [{"id": name, "data": "digits-table", "items": 100} for name in ("one", "two")]
BLUR = 0.6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A survey of two teachers that tell noughts from other digits, each blurredly."""
    task = {
        "data": "digits-table",
        "items": 600,
        "label-share": 0.1,
        "groups": {"nought": ["0"], "other": [str(digit) for digit in range(1, 10)]},
    }
    scenario = parse({"name": "tiny", "task": task, "teachers": TEACHERS, "threads": 1})
    made = RunFolder.create(tmp_path / "survey", scenario)
    truth = split(scenario).truth
    generator = np.random.default_rng(0)
    store = AnswerStore(made.path / "answers", len(truth))
    everything = np.arange(len(truth), dtype=np.int32)
    for name in ("one", "two"):
        raw = 1.5 * np.eye(2)[truth] + BLUR * generator.standard_normal((len(truth), 2))
        rows = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
        store.add(name, everything, CompactAnswers.encode(rows.astype(np.float32), "uint8"))
    return made.path


def test_labels_drawn_by_class_mislead_counts_but_not_what_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One item in ten is a nought, and half of the labels drawn by class are."""
    monkeypatch.setattr(shares_gain, "DRAWS", 1)
    before = torch.get_num_threads()
    found = dict(shares_gain.measure(folder, 12))
    torch.set_num_threads(before)
    assert set(found) == {"at random", "by class"}
    counted, even, told, true = found["by class"]
    assert counted == even  # as many labels of each
    assert told > counted + 2.0 and true >= told - 1.0
    counted, even, told, true = found["at random"]
    assert min(counted, told, true) > even


def test_a_line_for_each_folder_draw_and_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = [("at random", [70.0, 71.0, 72.0, 73.0]), ("by class", [74.0, 74.0, 75.04, 75.06])]
    monkeypatch.setattr(shares_gain, "measure", lambda folder, each: iter(made))
    monkeypatch.setattr(sys, "argv", ["shares_gain", "a", "b", "--labels", "5,6"])
    shares_gain.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 8
    assert lines[-1] == "| b | 6 | by class | 74.0 | 74.0 | 75.0 | 75.1 |"
