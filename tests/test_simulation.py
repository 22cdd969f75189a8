"""``fedsa simulate`` as a person runs it: real processes, real signals, a tiny scenario."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import fedsa
from fedsa.data.splits import split
from fedsa.errors import RunError
from fedsa.launcher import processes
from fedsa.launcher.alone import alone
from fedsa.pools import build_pool
from fedsa.runs.checkpoint import Checkpoints
from fedsa.scenario import load
from tests.launcher import faulty_teachers
from tests.launcher.cluster import elsewhere, start_ray
from tests.launcher.commands import (
    EVEN,
    HIGH,
    LOW,
    Command,
    assert_nothing_left,
    events,
    interrupt,
    mark,
    result,
    scenario,
    server,
    teacher,
    wait_for,
)

CHECKOUT = Path(fedsa.__file__).resolve().parent.parent
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
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment in which fedsa was installed from its wheel."""
    place = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place)]
    subprocess.run([*build, str(CHECKOUT)], check=True, capture_output=True)
    venv.create(place / "venv", with_pip=False)
    scripts = place / "venv" / "bin"
    # All that fedsa depends on is borrowed from this environment; fedsa itself is not, since what
    # makes an editable installation is not followed from a second folder of packages.
    borrowed = "\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (site,) = (place / "venv").glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(borrowed + "\n")
    for script in Path(sysconfig.get_path("scripts")).glob("fl*"):
        if script.name.startswith(("flwr", "flower-")):
            copy = scripts / script.name
            copy.write_text(script.read_text().replace(sys.executable, str(scripts / "python")))
            copy.chmod(0o755)
    pip = [sys.executable, "-m", "pip", "--python", str(scripts / "python"), "install"]
    wheel = next(place.glob("*.whl"))
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
    return scripts


@pytest.fixture(scope="module")
def finished(command: Command, installed: Path, tiny: Path) -> Path:
    """The folder of a run that was never interrupted, made with the wheel alone."""
    released = replace(command, program=(str(installed / "fedsa"),))
    code, said = released.run("new", "my-app")
    assert code == 0 and "next: cd my-app" in said
    app = replace(released, cwd=command.cwd / "my-app")
    where = [str(installed / "python"), "-c", "import fedsa; print(fedsa.__file__)"]
    found = subprocess.run(where, cwd=app.cwd, check=True, capture_output=True, text=True)
    assert found.stdout.startswith(str(installed.parent))
    assert (app.cwd / "simulations" / "digits_table.toml").is_file()
    shutil.copy(tiny, app.cwd / "simulations")
    code, said = app.run("simulate", "simulations/tiny.toml")
    assert code == 0, said
    assert "Traceback" not in said
    for told in ("round 2 of 2: student", "baseline uniform", "student (fedsa)", "report: "):
        assert told in said
    (folder,) = (app.cwd / "runs").iterdir()
    assert f"run folder: runs/{folder.name}" in said
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


def test_a_run_cut_short_twice_ends_as_if_it_never_was(
    command: Command, tiny: Path, finished: Path
) -> None:
    folder = command.cwd / "cut"
    # A person loses patience in the first round.
    process = command.start("simulate", tiny, "--out", folder)
    wait_for(folder, process, lambda event: event.get("phase") == "saliency", 1)
    code, said = interrupt(process, signal.SIGINT)
    assert code == 130 and "interrupted" in said and "Traceback" not in said
    assert_nothing_left(folder)
    # The server's side is killed outright in the second, while the baselines are still trained.
    process = command.start("simulate", "--resume", folder)
    wait_for(folder, process, lambda event: event.get("phase") == "saliency", 2)
    with pytest.raises(RunError, match="under way in another process"), alone(folder):
        pass
    victim = server(folder)  # found beforehand: the search is long beside a round of this size
    wait_for(folder, process, lambda event: event["event"] == "round", 2)
    victim.kill()
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 5 and f"go on with --resume {folder}" in said
    assert_nothing_left(folder)
    # A line that was cut short must not spoil those that follow.
    with (folder / "events.jsonl").open("a") as file:
        file.write('{"time": 1.0, "event": "pha')
    whole = len(Checkpoints(folder / "checkpoints").rounds())  # a busy machine's kill comes late
    code, said = command.run("simulate", tiny, "--resume", folder)
    assert code == 0 and whole > 0 and f"going on after round {whole}" in said, said
    assert_nothing_left(folder)
    assert result(folder) == result(finished)
    ours, theirs = (load_file(each / "student.safetensors") for each in (folder, finished))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_signal_while_teachers_are_trained_ends_their_training(
    command: Command, tiny: Path
) -> None:
    folder = command.cwd / "early"
    process = command.start("simulate", tiny, "--out", folder, "--seed", "9")
    deadline = time.monotonic() + 60
    while not (folder / ".mark").exists() or len(processes.marked(mark(folder))) < 2:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    code, said = interrupt(process, signal.SIGTERM)
    assert code == 143 and "Traceback" not in said
    assert_nothing_left(folder)


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
        federation__timeout=8.0, federation__actors=2, selection__every=2, baselines=["scratch"],
    )  # fmt: skip
    # One institution has put a pickle where safetensors are meant: it cannot join.
    monkeypatch.setenv("FEDSA_CACHE", str(command.cache))
    monkeypatch.syspath_prepend(str(command.cwd))
    built = load(path)
    teachers = build_pool(built, split(built), lambda *_: None)
    torch.save({"weight": torch.zeros(1)}, teachers / "even" / "weights.safetensors")
    shutil.rmtree(teachers / "raises")  # the command has to make this one, of a person's own model
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


def test_flwr_run_runs_the_same_app_on_a_ray_cluster(command: Command, tiny: Path) -> None:
    """Two nodes, as is Flower's default, so that each answers for two teachers.

    The cluster has a client on each of two machines. Where one may, the second sees nothing of
    the first's temporary files but the folder that they share.
    """
    folder, home = command.cwd / "by-flower", command.cwd / "flower-home"
    ray = Path(tempfile.mkdtemp(prefix="ray-"))  # a socket's path below it has 107 bytes at most
    port, cluster = _free_port(), f"127.0.0.1:{_free_port()}"
    by_flower = replace(
        command,
        cwd=CHECKOUT,
        program=(str(Path(sys.executable).with_name("flwr")),),
        environment={
            "FLWR_HOME": str(home),
            "FLWR_LOCAL_SUPERLINK_HTTP_API_PORT": str(port),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
            "RAY_ADDRESS": cluster,
            "RAY_USAGE_STATS_ENABLED": "0",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            processes.MARK: folder.name,
        },
    )
    settings = {"scenario": str(tiny), "seed": 0, "run-dir": str(folder)}
    settings["set"] = "rounds=1; baselines=[]"
    config = " ".join(f"{key}={json.dumps(value)}" for key, value in settings.items())
    try:
        head = ["--head", "--port", cluster.partition(":")[2], "--temp-dir", str(ray)]
        start_ray(by_flower, *head, "--include-dashboard", "false")
        shared = (command.cwd.parent, CHECKOUT, Path(sys.prefix))
        start_ray(by_flower, "--address", cluster, before=elsewhere(*shared))
        process = by_flower.start("run", ".", "--stream", "-c", config)
        machines = _machines(folder, process)
        said, _ = process.communicate(timeout=600)
    finally:
        processes.clear(folder.name)
        shutil.rmtree(ray, ignore_errors=True)
    assert process.returncode == 0, said
    assert machines == 2
    assert [event["event"] for event in events(folder)][-1] == "finished", said
    summary = result(folder)
    assert summary["status"] == "finished" and len(summary["rounds"]) == 1
    assert {one["id"] for one in summary["teachers"]} == {"low", "high", "even", "other"}
    assert all(one["queries"] > 0 for one in summary["teachers"])


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _machines(folder: Path, process: subprocess.Popen[str]) -> int:
    """Return on how many nodes of a Ray cluster a run's clients are, once all were asked."""
    wait_for(folder, process, lambda event: event.get("phase") == "fusion", 1)
    running = processes.marked(folder.name)
    return len({one.ppid() for one in running if "ClientAppActor" in " ".join(one.cmdline())})
