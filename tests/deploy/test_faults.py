"""What breaks at institutions while a run goes on: the run goes on, and no ledger is overspent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.deploy import teachers
from tests.deploy.conftest import Running
from tests.deploy.federation import Institution, eventually, kill, reached, read
from tests.launcher.commands import events

pytestmark = pytest.mark.slow

CUT = float(os.environ.get("FEDSA_TEST_CUT", "15"))
"""Seconds for which the network is cut; 60 and more find nothing else, but take their time."""


def _fill(folder: Path) -> Path:
    """Fill a disk to its last byte."""
    path = folder / "filling"
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        for size in (2**16, 2**8, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
    return path


def _is_enrolled(teacher: str, folder: Path, process: subprocess.Popen[str]) -> bool:
    """Tell whether a teacher's card was read, while the run goes on."""
    assert process.poll() is None, process.communicate()
    return any(
        teacher in event["teachers"] for event in events(folder) if event["event"] == "cards"
    )


def test_a_run_outlives_what_breaks_at_institutions(
    running: Running, request: pytest.FixtureRequest
) -> None:
    """In one run, in the order below; without namespaces there is no network or disk to spoil."""
    separate = running.federation.network.separate
    late: Institution | None = request.getfixturevalue("late") if separate else None
    federation, folder = running.federation, running.runs / "faults"
    torch, onnx, sklearn = (running.institutions[name] for name in teachers.CLASSES)
    process = federation.start(
        "hub", "fedsa", "run", running.scenario, "--federation", "real", "--out", folder,
        "--seed", "1", "--set", "rounds=5", "--set", "baselines=[]",
        "--set", "federation.round-deadline=30", "--set", "federation.timeout=30",
    )  # fmt: skip

    # While the first student is trained a gateway is killed, and started again.
    reached(folder, process, 1, phase="first look")
    kill(torch.gateway)
    torch.script("start-gateway", torch.records)

    # While looks are compared: an app process and a SuperNode are killed, a gateway hangs.
    reached(folder, process, 1, phase="saliency", round=1)
    hung = [one.gateway.process() for one in (torch, onnx)]
    for process_ in hung:
        assert process_ is not None
        process_.suspend()
    app = eventually(torch.app)  # which waits for its gateway
    app.send_signal(signal.SIGKILL)
    kill(sklearn.supernode)
    # Flower takes the killed node for connected for up to a minute, and refuses it till then.
    starting = federation.start("sklearn", "bash", "clients/kit/start-supernode.sh", sklearn.folder)
    # Its round waits for the killed app's reply till the deadline: time for another to join.
    if late is not None:
        joining = federation.begin("institution", "three-users-start", "late", **late.variables)
    time.sleep(10)
    for process_ in hung:
        assert process_ is not None
        process_.resume()

    # Once another institution is there, so that somebody can answer, a network is cut and a
    # ledger's disk is full, till the end of the round.
    if late is not None:
        said, _ = joining.communicate(timeout=300)
        assert joining.returncode == 0, said
        eventually(lambda: _is_enrolled("late", folder, process), 400.0)
        spoilt = 1 + sum(event["event"] == "round" for event in events(folder))
        filling = _fill(onnx.records / "records")
        federation.network.cut("torch")
        time.sleep(CUT)
        starting.wait(timeout=300)  # rounds take their time while a reply is missing
        federation.network.mend("torch")
        reached(folder, process, 1, event="round", round=spoilt)
        filling.unlink()
    said, _ = starting.communicate(timeout=300)
    assert starting.returncode == 0, said
    said, _ = process.communicate(timeout=900)
    assert process.returncode == 0, said

    summary = read(folder / "summary.json")
    assert summary["status"] == "finished" and len(summary["rounds"]) == 5
    assert len(summary["rounds"][-1]["weights"]) >= 2, "several taught the last round"
    joined = [set(event["teachers"]) for event in events(folder) if event["event"] == "cards"]
    failed = {(event["teacher"], event["code"]) for event in events(folder) if "code" in event}
    assert "late" not in joined[0] and ("late" in joined[-1]) is separate
    assert (("onnx", "storage") in failed) is separate, failed
    # Flower tells of a killed app after a minute; until then its reply is late. Who is missed, and
    # at which question, depends on what it was doing when it was killed.
    assert {code for _, code in failed} & {"late", "lost"}, failed
    for name, budget in teachers.BUDGET.items():
        assert running.institutions[name].spent() <= budget
    assert sklearn.spent() == teachers.BUDGET["sklearn"], "its budget ran out on the way"
    # Whatever was asked twice, after a kill or a cut, was charged once: the seed's new items.
    assert torch.spent() <= 2 * 300 and onnx.spent() <= 2 * 300
