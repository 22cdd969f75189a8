"""Folders that commands write to: faults told before anything runs, nothing else's touched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsa.cli import many
from fedsa.launcher import simulation
from fedsa.launcher.progress import Progress
from fedsa.runs.folder import RunFolder, write_json
from fedsa.scenario import Scenario
from fedsa.seeding import numpy_generator
from tests.cli.conftest import Fedsa
from tests.launcher.commands import scenario
from tests.runs.conftest import run_summary, write_run

Ran = list[tuple[str, int]]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return scenario(tmp_path / "tiny.toml", baselines=["scratch"])


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Runs that are made up at once, and which they were: strategy and seed."""
    found: Ran = []

    def made_up(wanted: Scenario, folder: RunFolder, progress: Progress) -> Mapping[str, Any]:
        found.append((wanted.strategy, wanted.seed))
        summary = run_summary(wanted.seed, wanted.strategy) | {"scenario": wanted.name}
        write_json(folder.path / "summary.json", summary)
        folder.emit("finished")
        return summary

    monkeypatch.setattr(many, "simulate", made_up)
    monkeypatch.setattr(simulation, "simulate", made_up)
    return found


def _error(said: str) -> str:
    assert "Traceback" not in said
    (error,) = (line for line in said.splitlines() if line.startswith("error: "))
    assert error.endswith(".")
    return error


def _compare(fedsa: Fedsa, *more: object) -> tuple[int, str]:
    return fedsa("compare", "--scenario", "tiny.toml", "--seeds", "0-1", "--out", "c", *more)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("more", "code", "sentence"),
    [
        (["--strategies", "fedsa,nope"], 2, "Unknown strategy 'nope'"),
        (["--strategies", "fedsa", "--set", "task.data=nope"], 2, "Unknown dataset 'nope'"),
        (["--strategies", " , "], 5, "names none: write them as in fedsa,uniform"),
        (["--reference", "nope"], 5, "'nope' is not among the runs' strategies: fedsa;"),
        (["--reference", "scratch"], 5, "'scratch' is not among the runs' strategies: fedsa;"),
        (["gone"], 5, "There is no run folder 'gone'"),
        (["earlier"], 5, "'earlier' is strategy fedsa, seed 0 of scenario tiny, which --scenario"),
    ],
)
def test_what_a_comparison_cannot_have_is_told_before_its_first_run(
    fedsa: Fedsa, tiny: Path, ran: Ran, more: list[str], code: int, sentence: str
) -> None:
    write_run(Path("earlier"), 0, scenario="tiny")
    found, said = _compare(fedsa, *more)
    assert found == code and sentence in _error(said), said
    assert not ran and not Path("c").exists()


def test_all_unknown_strategies_of_a_comparison_are_told_at_once(
    fedsa: Fedsa, tiny: Path, ran: Ran
) -> None:
    code, said = _compare(fedsa, "--strategies", "one,fedsa,two", "--set", "task.data=nope")
    assert code == 2 and not ran
    told = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(told) == 3  # the data are what all of them have in common
    for place, name in enumerate(("strategy 'one'", "dataset 'nope'", "strategy 'two'")):
        assert name in told[place]


def test_a_strategy_named_twice_is_one(fedsa: Fedsa, tiny: Path, ran: Ran) -> None:
    code, said = _compare(fedsa, "--strategies", "fedsa,uniform, fedsa")
    assert code == 0, said
    assert ran == [("fedsa", 0), ("uniform", 0), ("fedsa", 1), ("uniform", 1)]
    del ran[:]
    assert _compare(fedsa, "--strategies", "fedsa,uniform")[0] == 0 and not ran  # all are there


def test_the_reference_may_be_an_earlier_run(fedsa: Fedsa, tiny: Path, ran: Ran) -> None:
    assert _compare(fedsa, "--strategies", "fedsa", "--set", "name='tiny'")[0] == 0
    earlier = ["c/tiny-fedsa-seed0", "c/tiny-fedsa-seed1"]
    more = [*earlier, "--strategies", "stacking", "--reference", "fedsa", "--out", "d"]
    code, said = _compare(fedsa, *more)
    assert code == 0 and "minus fedsa" in said, said


@pytest.mark.parametrize(
    ("more", "changed"),
    [
        (["--strategies", "fedsa,uniform", "--set", "rounds=3"], "rounds was 2 and is now 3"),
        (["--strategies", "stacking,fedsa"], "baselines differs"),  # they run beside the first
    ],
)
def test_a_comparison_of_other_runs_needs_another_folder(
    fedsa: Fedsa, tiny: Path, ran: Ran, more: list[str], changed: str
) -> None:
    assert _compare(fedsa, "--strategies", "fedsa,uniform")[0] == 0
    del ran[:]
    before = sorted(Path("c").rglob("*"))
    code, said = _compare(fedsa, *more)
    error = _error(said)
    assert code == 6 and not ran  # told before those that have no folder yet are run
    assert f"was begun with another config: {changed}. Name another folder by --out" in error
    assert "--resume" not in error
    assert sorted(Path("c").rglob("*")) == before
    assert _compare(fedsa, *more, "--out", "other")[0] == 0


@pytest.mark.parametrize(
    ("command", "folder"),
    [
        (["simulate", "tiny.toml", "--out", "r"], "r"),
        (["compare", "--scenario", "tiny.toml", "--seeds", "0", "--out", "r"], "r"),
        (["simulate", "tiny.toml"], "runs"),
        (["run", "tiny.toml", "--federation", "nowhere", "--out", "r"], "r"),
    ],
)
def test_a_scenario_that_its_data_refuse_leaves_no_folder(
    fedsa: Fedsa, tiny: Path, command: list[str], folder: str
) -> None:
    code, said = fedsa(*command, "--set", "task.items=99999")
    assert code == 3 and "task.items" in _error(said), said
    assert not Path(folder).exists()


@pytest.mark.parametrize(
    "command", [["simulate", "tiny.toml"], ["compare", "--scenario", "tiny.toml", "--seeds", "0"]]
)
def test_data_without_labels_leave_no_folder(fedsa: Fedsa, tiny: Path, command: list[str]) -> None:
    inputs = numpy_generator(0, "inputs").normal(size=(100, 64)).astype(np.float32)
    test = {"test_inputs": inputs[:10] + 9, "test_labels": np.arange(10) % 2}
    np.savez("mine.npz", inputs=inputs, labels=np.full(100, -1), **test)
    changes = ["task.data=mine.npz", "task.items=80", "task.test-items=8", "baselines=[]"]
    options = [part for change in changes for part in ("--set", change)]
    code, said = fedsa(*command, "--set", "task.label-share=0.05", *options, "--out", "r")
    assert code == 3 and "suggest-labels" in _error(said), said
    assert not Path("r").exists()


FOREIGN = [{}, [1], {"architectures": ["Bert"]}, {"scenario": [1]}, {"scenario": {}}]


@pytest.mark.parametrize("config", FOREIGN)
@pytest.mark.parametrize(
    "command",
    [
        ["simulate", "--resume", "odd"],
        ["simulate", "tiny.toml", "--resume", "odd"],
        ["run", "--federation", "nowhere", "--resume", "odd"],
        ["run", "tiny.toml", "--federation", "nowhere", "--resume", "odd"],
        ["suggest-labels", "tiny.toml", "--answers", "odd", "--out", "labels.csv"],
        ["report", "odd"],
    ],
)
def test_another_programs_folder_is_no_run_folder(
    fedsa: Fedsa, tiny: Path, command: list[str], config: object
) -> None:
    (odd := Path("odd")).mkdir()
    (odd / "config.json").write_text(json.dumps(config))
    (odd / "report.html").write_text("of the user's own")
    before = _contents(odd)
    code, said = fedsa(*command)
    assert code == 6
    assert "'odd' is no run folder: its config.json names no scenario" in _error(said)
    assert _contents(odd) == before


def test_another_programs_folder_is_not_compared_in(fedsa: Fedsa, tiny: Path, ran: Ran) -> None:
    (odd := Path("c/tiny-fedsa-seed1")).mkdir(parents=True)
    (odd / "config.json").write_text("{}")
    code, said = _compare(fedsa)
    assert code == 6 and f"'{odd}' is no run folder" in _error(said)
    assert not ran and list(Path("c").iterdir()) == [odd]


@pytest.mark.parametrize("changes", [{"metrics": [1]}, {"metrics": 7}, {"notes": 7}, {"task": [1]}])
def test_a_summary_of_another_form_has_no_report(
    fedsa: Fedsa, tmp_path: Path, changes: dict[str, Any]
) -> None:
    folder = write_run(tmp_path / "odd", **changes)
    (folder / "report.html").write_text("of an earlier time")
    before = _contents(folder)
    code, said = fedsa("report", "odd")
    assert code == 5, said
    assert "The files of the run in 'odd' do not have the form that a run gives" in _error(said)
    assert _contents(folder) == before
