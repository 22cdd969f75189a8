"""Measurements on answers take folders that have them, and tell in a sentence of others."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fedsa.runs import shares_gain
from fedsa.runs.folder import RunFolder
from fedsa.runs.surveyed import numbers, plainly
from fedsa.scenario import parse

SCENARIO = {
    "name": "tiny",
    "task": {"data": "digits-table", "items": 300, "label-share": 0.1},
    "teachers": [{"id": "one", "data": "digits-table", "items": 100}],
    "threads": 1,
}


@pytest.mark.parametrize(
    ("made", "sentence"),
    [(False, "is not a run folder"), (True, "has no answers of a relevant teacher")],
)
def test_a_folder_without_answers_ends_with_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    made: bool,
    sentence: str,
) -> None:
    folder = tmp_path / "run"
    if made:
        RunFolder.create(folder, parse(SCENARIO))
    before = set(tmp_path.rglob("*"))
    monkeypatch.setattr(sys, "argv", ["shares_gain", str(folder)])
    with pytest.raises(SystemExit) as stopped:
        plainly(shares_gain.main)
    assert stopped.value.code != 0
    told = capsys.readouterr().err
    assert sentence in told and len(told.splitlines()) == 1
    assert set(tmp_path.rglob("*")) == before


def test_numbers_of_a_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert numbers("1, 5,10") == [1, 5, 10]
    monkeypatch.setattr(sys, "argv", ["shares_gain", "folder", "--labels", "few"])
    with pytest.raises(SystemExit) as stopped:
        shares_gain.main()
    assert stopped.value.code == 2
    assert "invalid numbers value: 'few'" in capsys.readouterr().err
