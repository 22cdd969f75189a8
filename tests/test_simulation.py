"""``fedsa simulate`` as a person runs it: real processes, real signals, a tiny scenario."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fedsa.data.splits import split
from fedsa.errors import RunError
from fedsa.launcher.alone import alone
from fedsa.pools import build_pool
from fedsa.scenario import load
from tests.launcher import faulty_teachers
from tests.launcher.commands import (
    EVEN,
    HIGH,
    LOW,
    Command,
    assert_nothing_left,
    events,
    interrupt,
    result,
    scenario,
    server,
    teacher,
    wait_for,
)

pytestmark = pytest.mark.slow

ALONE = """
import json, sys
import torch
assert not any(name.split(".")[0] == "fedsa" for name in sys.modules)
data = torch.load(sys.argv[2], weights_only=True)
student = torch.export.load(sys.argv[1]).module()
right = student(data["inputs"]).argmax(dim=1) == data["labels"]
one = student(data["inputs"][:1])
print(json.dumps([right.float().mean().item(), list(one.shape)]))
"""


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The command, in a folder without an app, with a cache that all runs share."""
    return Command(tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def tiny(command: Command) -> Path:
    return scenario(command.cwd / "tiny.toml")


@pytest.fixture(scope="module")
def finished(command: Command, tiny: Path) -> Path:
    """The folder of a run that was never interrupted."""
    folder = command.cwd / "finished"
    code, said = command.run("simulate", tiny, "--out", folder)
    assert code == 0, said
    assert "Traceback" not in said
    assert [word for word in ("round 2 of 2", "baseline uniform", "report:") if word in said]
    return folder


def test_a_run_leaves_its_folder_and_nothing_else(finished: Path) -> None:
    assert_nothing_left(finished)
    summary = result(finished)
    assert summary["scenario"] == "tiny" and summary["strategy"] == "fedsa"
    assert summary["status"] == "finished" and summary["seed"] == 0
    assert summary["task"] == {"kind": "classification", "classes": list("0123456789")}
    assert set(summary["metrics"]) == {"student", "scratch", "uniform", "best_single"}
    assert all(0.2 < metric <= 1 for metric in summary["metrics"].values())
    assert [entry["round"] for entry in summary["rounds"]] == [1, 2]
    for entry in summary["rounds"]:
        assert sum(entry["weights"].values()) == pytest.approx(1, abs=1e-5)
        assert entry["selected"] == sorted(entry["weights"])
    teachers = {one["id"]: one for one in summary["teachers"]}
    assert set(teachers) == {"low", "high", "even", "other"}
    assert teachers["other"]["relevant"] is False and teachers["low"]["relevant"] is True
    assert all(one["queries"] > 0 and one["bytes"] > 0 for one in teachers.values())
    moved = sum(one["bytes"] for one in teachers.values())
    assert sum(summary["bytes"].values()) == moved
    config = json.loads((finished / "config.json").read_text())
    assert config["scenario"]["saliency"]["probe-items"] == 16 and "torch" in config["versions"]
    assert config["scenario"]["selection"]["policy"]  # the defaults are written out
    assert [event["status"] for event in events(finished) if event["event"] == "finished"]
    assert {path.name for path in (finished / "checkpoints").iterdir()} == {"round-01", "round-02"}
    assert (finished / "report.html").read_text().startswith("<!doctype html>")
    with np.load(finished / "artefacts.npz", allow_pickle=False) as found:
        assert found["confusion"].sum() == 250


def test_the_student_works_without_fedsa(finished: Path, tiny: Path, tmp_path: Path) -> None:
    parts = split(load(tiny))
    inputs, labels = torch.from_numpy(parts.test_inputs), torch.from_numpy(parts.test_labels)
    test = tmp_path / "test.pt"
    torch.save({"inputs": inputs, "labels": labels}, test)
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, str(finished / "student.pt2"), str(test)],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    accuracy, shape = json.loads(done.stdout)
    assert accuracy == pytest.approx(result(finished)["metrics"]["student"], abs=1e-6)
    assert shape == [1, 10]
    card = json.loads((finished / "student.json").read_text())
    assert card["task"] == "classification" and card["classes"] == list("0123456789")
    assert card["architecture"] == "mlp" and card["licence_of_data"] == "CC-BY-4.0"
    assert card["input"]["shape"] == [64] and card["output"] == "logits"
    weights = load_file(finished / card["weights"])
    program = torch.export.load(finished / card["program"])
    assert weights.keys() == program.state_dict.keys()
    assert all(torch.equal(weights[name], program.state_dict[name]) for name in weights)


def test_a_run_cut_short_four_times_ends_as_if_it_never_was(
    command: Command, tiny: Path, finished: Path
) -> None:
    folder = command.cwd / "cut"
    # The command is killed outright; what it started is held, lest it finish on its own.
    process = command.start("simulate", tiny, "--out", folder)
    wait_for(folder, process, lambda event: event.get("phase") == "first look", 1)
    orphan = server(folder)
    orphan.suspend()
    process.kill()
    process.communicate()
    assert orphan.is_running()
    # The server's side is killed outright, in the middle of the first round.
    process = command.start("simulate", "--resume", folder)
    wait_for(folder, process, lambda event: event.get("phase") == "fusion", 2)
    assert not orphan.is_running()
    with pytest.raises(RunError, match="under way in another process"), alone(folder):
        pass
    server(folder).kill()
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 5 and f"go on with --resume {folder}" in said
    assert_nothing_left(folder)
    # A person loses patience in the second round.
    process = command.start("simulate", tiny, "--resume", folder)
    wait_for(folder, process, lambda event: event["event"] == "round", 3)
    code, said = interrupt(process, signal.SIGINT)
    assert code == 130 and "interrupted" in said and "Traceback" not in said
    assert_nothing_left(folder)
    # The machine is shut down while the baselines are still trained.
    process = command.start("simulate", "--resume", folder)
    wait_for(folder, process, lambda event: event.get("phase") == "waiting for the baselines", 4)
    code, said = interrupt(process, signal.SIGTERM)
    assert code == 143 and "Traceback" not in said
    assert_nothing_left(folder)
    # A write that was cut short must not spoil what follows.
    with (folder / "events.jsonl").open("a") as file:
        file.write('{"time": 1.0, "event": "pha')
    code, said = command.run("simulate", "--resume", folder)
    assert code == 0, said
    assert_nothing_left(folder)
    assert result(folder) == result(finished)
    ours, theirs = (load_file(each / "student.safetensors") for each in (folder, finished))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_finished_run_is_shown_again(command: Command, tiny: Path, finished: Path) -> None:
    before = events(finished)
    code, said = command.run("simulate", tiny, "--resume", finished)
    assert code == 0 and "has finished before" in said and "student (fedsa)" in said
    assert events(finished) == before


def test_teachers_that_misbehave_do_not_stop_a_run_until_all_are_gone(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = command.cwd / "faulty"
    shutil.copy(faulty_teachers.__file__, command.cwd / "faulty_teachers.py")
    models = {"slow": "Slow", "nan": "Nan", "narrow": "Narrow", "raises": "Raises"}
    pool = "".join(teacher(name, LOW, f"faulty_teachers:{m}") for name, m in models.items())
    for name, classes in (("low", LOW), ("high", HIGH), ("even", EVEN)):
        pool += teacher(name, classes, "faulty_teachers:Honest")
    path = scenario(
        command.cwd / "faulty.toml", pool,
        federation__timeout=4.0, selection__every=2, baselines=["scratch"],
    )  # fmt: skip
    # One institution has put a pickle where safetensors are meant: it cannot join.
    monkeypatch.setenv("FEDSA_CACHE", str(command.cache))
    monkeypatch.syspath_prepend(str(command.cwd))
    built = load(path)
    teachers = build_pool(built, split(built), lambda *_: None)
    torch.save({"weight": torch.zeros(1)}, teachers / "even" / "weights.safetensors")
    sick = Command(
        command.cwd, command.cache, {"FEDSA_TEST_GONE": str(folder / "checkpoints" / "round-01")}
    )
    code, said = sick.run("simulate", path, "--out", folder)
    assert code == 7, said
    assert "No teacher has answered any question of round 2" in said
    assert "the run stops with its last checkpoint" in said and "student (fedsa)" in said
    assert "Traceback" not in said and faulty_teachers.HIDDEN not in said
    assert_nothing_left(folder)
    failures = {(e["teacher"], e["code"]) for e in events(folder) if e["event"] == "failure"}
    assert failures >= {("nan", "model"), ("narrow", "model"), ("raises", "model")}
    assert failures >= {("slow", "late"), ("even", "absent"), ("low", "model"), ("high", "model")}
    _, _, table = said.partition("\nfailures")
    assert all(f"\n{name} " in table for name in (*models, "low", "high", "even"))
    assert faulty_teachers.HIDDEN not in (folder / "events.jsonl").read_text()
    summary = result(folder)
    assert summary["status"] == "teachers-gone"
    assert [entry["selected"] for entry in summary["rounds"]] == [["high", "low"]]
    assert summary["metrics"]["student"] == summary["rounds"][0]["student"]
    assert set(summary["metrics"]) == {"student", "scratch"}
    assert (folder / "student.pt2").exists() and (folder / "report.html").exists()
    # They are well again.
    code, said = command.run("simulate", "--resume", folder)
    assert code == 0, said
    assert_nothing_left(folder)
    assert result(folder)["status"] == "finished" and len(result(folder)["rounds"]) == 2
