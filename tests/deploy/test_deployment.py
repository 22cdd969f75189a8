"""Institutions for real: what a run gives, and that nothing but the coordinator's code differs."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from fedsa.data.splits import split
from fedsa.runs.checkpoint import Checkpoints
from fedsa.runs.serving import is_served
from fedsa.scenario import load
from tests.deploy import teachers
from tests.deploy.conftest import Running
from tests.deploy.federation import below, eventually, kill, reached, read
from tests.launcher.commands import events

pytestmark = pytest.mark.slow


def _essence(folder: Path) -> dict[str, Any]:
    """Return what a run found, without what it cost in seconds and on the way."""
    summary = read(folder / "summary.json")
    rounds = [{key: one[key] for key in ("weights", "student")} for one in summary["rounds"]]
    return {"metrics": summary["metrics"], "rounds": rounds}


def _started(folder: Path) -> int:
    return sum(event["event"] == "started" for event in events(folder))


def test_a_check_shows_cards_budgets_and_clocks(running: Running) -> None:
    said = running.federation.block("coordinator", "check")
    assert "3 of 3 teachers can take part" in said
    assert split(load(running.scenario)).transfer.hash in said
    for name, budget in teachers.BUDGET.items():
        assert f"predict {budget}/{budget}" in said and name in said
    assert "sklearn: Its budget for 'predict' is 210 items, and up to 300 are wanted." in said


def test_a_run_that_is_broken_off_twice_equals_the_simulation(running: Running) -> None:
    """The server app is killed in round 1, the SuperLink in round 2; each time it is resumed."""
    federation, folder = running.federation, running.runs / "first"
    simulating = federation.start(
        "hub", "fedsa", "simulate", running.unguarded(), "--out", running.runs / "simulated"
    )
    command = ("fedsa", "run", "--federation", "real")
    process = federation.begin("coordinator", "run")
    reached(folder, process, 1, phase="first look")
    superlink = federation.services[0]
    serving = below(superlink, "flwr-serverapp")
    assert serving is not None
    assert is_served(folder)
    serving.send_signal(signal.SIGKILL)
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 5 and "go on with --resume" in said, said
    process = federation.start("hub", *command, "--resume", folder)
    reached(folder, process, 2, event="round")
    kill(superlink)
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 5 and "go on with --resume" in said, said
    eventually(lambda: not is_served(folder))
    whole = len(Checkpoints(folder / "checkpoints").rounds())  # a busy machine's kill comes late
    federation.block("coordinator", "start")
    said = federation.block("coordinator", "resume")
    assert "student (fedsa)" in said and whole > 0 and f"going on after round {whole}" in said
    assert _started(folder) == 3
    told, _ = simulating.communicate(timeout=600)
    assert simulating.returncode == 0, told
    assert _essence(folder) == _essence(running.runs / "simulated")
    for name, institution in running.institutions.items():
        assert 0 < institution.spent() <= teachers.BUDGET[name]


def test_a_finished_run_is_only_shown(running: Running) -> None:
    said = running.federation.block("coordinator", "resume")
    assert "has finished before" in said and _started(running.runs / "first") == 3
