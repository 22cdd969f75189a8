"""What a person gets wrong: one clear sentence each, a non-zero exit, nothing lost."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsa.runs.folder import RunFolder
from fedsa.scenario import load
from tests.cli.conftest import Fedsa
from tests.launcher.commands import scenario


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return scenario(tmp_path / "tiny.toml")


def _errors(said: str) -> list[str]:
    assert "Traceback" not in said
    return [line.removeprefix("error: ") for line in said.splitlines() if "error: " in line]


def test_all_faults_of_a_scenario_at_once(fedsa: Fedsa, tiny: Path) -> None:
    text = tiny.read_text().replace('name = "tiny"', 'name = "tiny"\ncolour = "red"')
    tiny.write_text(
        text.replace("rounds = 2", 'rounds = "two"').replace("steps = 160", "steps = 0")
    )
    code, said = fedsa("simulate", tiny, "--set", "task.label-share=2")
    assert code == 2
    keys = [error.partition(":")[0] for error in _errors(said)]
    assert set(keys) == {"colour", "rounds", "student.steps", "task.label-share"}
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["missing.toml"], 2, "There is no scenario file 'missing.toml'"),
        (["nonesuch"], 5, "No scenario called 'nonesuch' comes with fedsa: use one of"),
        (["tiny.toml", "--set", "selection.k=5"], 2, "the pool has 4; set k to at most 4"),
        (["tiny.toml", "--set", "task.label-share=0.01"], 3, "leaves a class of 10 without"),
        (["tiny.toml", "--set", "strategy=nonesuch"], 2, "Unknown strategy 'nonesuch'"),
        (["tiny.toml", "--set", "strategy=nonesuch:it"], 2, "No module named 'nonesuch'"),
        (["tiny.toml", "--set", "selection.selector=os:getcwd"], 2, "is called as selector("),
        (["tiny.toml", "--set", "task.data=digits"], 2, "are 1x8x8; give teachers of such data"),
        (["tiny.toml", "--set", "student.model=conv"], 2, "cannot be built for items of shape"),
        (["tiny.toml", "--set", "selection.selector=builtins:repr"], 2, "has no method 'select'"),
        (["tiny.toml", "--set", "fusion.fusion=builtins:id"], 2, "kind int, which has no method"),
        (["tiny.toml", "--set", "fusion.fusion=builtins:len"], 2, "cannot be made: TypeError"),
        (["tiny.toml", "--set", "task.data=gone.npz"], 3, "gone.npz': check the path"),
        (["tiny.toml", "--set", "baselines=['worst']"], 2, "there is no baseline 'worst'"),
        (["tiny.toml", "--set", "teachers=[]"], 5, "has no [[teachers]] to simulate"),
        (["tiny.toml", "--set", "rounds"], 2, "write key=value"),
        (["--resume", "gone"], 6, "'gone' is not a run folder"),
        (["tiny.toml", "--resume", "gone"], 6, "'gone' is not a run folder"),
        (["--resume", "gone", "--seed", "1"], 5, "leave --set and --seed out"),
    ],
)
def test_one_sentence(
    fedsa: Fedsa, tiny: Path, arguments: list[str], code: int, sentence: str
) -> None:
    found, said = fedsa("simulate", *arguments)
    assert found == code, said
    (error,) = _errors(said)
    assert sentence in error and error.endswith(".")


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (np.zeros((40, 3), np.float32) * np.nan, "NaN or infinite values, first in item 0"),
        (np.zeros((40, 3, 3, 1, 2), np.uint8), "images are (n, C, H, W)"),
        (np.zeros((40, 3, 8, 8), np.int64), "save images as uint8"),
        (np.zeros(40, np.float32), "(n, ...) is needed"),
        (np.array([{}] * 40), "a pickle"),
    ],
)
def test_data_of_the_wrong_kind(
    fedsa: Fedsa, tiny: Path, tmp_path: Path, inputs: Any, sentence: str
) -> None:
    np.savez(tmp_path / "mine.npz", inputs=inputs, labels=np.arange(40) % 4)
    code, said = fedsa("simulate", tiny, "--set", "task.data=mine.npz")
    assert code == 3, said
    (error,) = _errors(said)
    assert sentence in error and "mine.npz" in error


def test_full_supervision_of_data_that_does_not_know_all_labels(
    fedsa: Fedsa, tiny: Path, tmp_path: Path
) -> None:
    labels = np.arange(40) % 4
    labels[0] = -1
    np.savez(tmp_path / "mine.npz", inputs=np.zeros((40, 3), np.float32), labels=labels)
    changes = ("--set", "task.data=mine.npz", "--set", "baselines=['supervised']")
    code, said = fedsa("simulate", tiny, *changes)
    assert code == 2, said
    assert any("'supervised' learns from the labels of all items" in one for one in _errors(said))
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("import nonesuch_either\n", "No module named 'nonesuch_either'"),
        ("def strategy(problem): ...\n", "is called as strategy(problem, scenario, wiring)"),
        ("strategy = 7\n", "is not callable"),
    ],
)
def test_a_broken_plug_in_names_its_distribution(
    fedsa: Fedsa, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    module: str, sentence: str,
) -> None:  # fmt: skip
    site = tmp_path / "site"
    about = site / "someones_plugins-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: someones-plugins\nVersion: 1.0\n")
    name = f"someones_{abs(hash(module))}"
    (about / "entry_points.txt").write_text(f"[fedsa.strategy]\nsomeones = {name}:strategy\n")
    (site / f"{name}.py").write_text(module)
    monkeypatch.syspath_prepend(str(site))
    code, said = fedsa("simulate", tiny, "--set", "strategy=someones")
    assert code == 2, said
    (error,) = _errors(said)
    assert "distribution 'someones-plugins'" in error and sentence in error
    code, said = fedsa("strategies")  # the others can still be listed
    assert code == 0 and "someones" in said and "stacking" in said


def test_a_folder_that_cannot_be_written(fedsa: Fedsa, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    code, said = fedsa("simulate", tiny)
    assert code == 5 and "cannot be made" in _errors(said)[0] and "--out" in said
    code, said = fedsa("simulate", tiny, "--out", "runs/here")
    assert code == 5 and "cannot be written" in _errors(said)[0]
    assert (tmp_path / "runs").read_text() == "a file"


def test_a_full_disk(fedsa: Fedsa, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json.tmp").symlink_to("/dev/full")
    code, said = fedsa("simulate", tiny, "--out", "run")
    assert code == 5 and "No space left on device" in _errors(said)[0]


def test_a_port_that_is_taken_is_told_before_any_teacher_is_trained(
    fedsa: Fedsa, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setenv("FEDSA_PORT", str(port))
        code, said = fedsa("simulate", tiny)
    assert code == 5 and f"The port {port} (FEDSA_PORT) cannot be used" in _errors(said)[0]
    assert not (tmp_path / "cache").exists()


def test_a_run_is_never_overwritten(fedsa: Fedsa, tiny: Path, tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", load(tiny))
    before = (tmp_path / "run" / "config.json").read_bytes()
    code, said = fedsa("simulate", tiny, "--out", "run")
    assert code == 5 and "holds a run already" in said and "--resume run" in said
    assert (tmp_path / "run" / "config.json").read_bytes() == before


def test_a_changed_scenario_is_not_resumed(fedsa: Fedsa, tiny: Path, tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", load(tiny))
    more = ["--set", "rounds=3", "--set", "student.steps=9"]
    code, said = fedsa("simulate", tiny, "--resume", "run", *more)
    assert code == 6
    (error,) = _errors(said)
    assert "rounds was 2 and is now 3; student.steps was 160 and is now 9" in error
    assert "fedsa simulate --resume run" in error


def test_other_commands(fedsa: Fedsa, tmp_path: Path) -> None:
    assert fedsa("report", "gone")[0] == 6
    code, said = fedsa("compare")
    assert code == 5 and "Nothing to compare" in said
    code, said = fedsa("compare", "gone")
    assert code == 5 and "There is no run folder 'gone'" in said
    code, said = fedsa("compare", "--scenario", "digits_table", "--seeds", "0,x")
    assert code == 2 and "write seeds as in" in said
    code, said = fedsa("bench", "nonesuch")
    assert code == 5 and "choose from simulation, student, fusion, gateway" in said
    assert fedsa("nonesuch")[0] == 2
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    code, said = fedsa("new", "full")
    assert code == 5 and "not an empty folder" in said


def test_a_torn_config_is_no_run_folder(fedsa: Fedsa, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(json.dumps({"scenario": {}})[:-2])
    code, said = fedsa("simulate", "--resume", "run")
    assert code == 6 and "is not a run folder" in said
