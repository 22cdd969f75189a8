"""The gateway as a process of its own: signals, kills, and what the next one finds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fedsa.messages import Describe, Described, Failure, Predict, Predicted
from fedsa.teacher.gateway.client import Client
from fedsa.teacher.gateway.target import Target
from fedsa.teacher.policy.audit import verify
from fedsa.teacher.policy.office import Office
from tests.teacher.gateway.conftest import OPEN, Make, offer

ROOT = Path(__file__).parents[3]
FEDSA = [sys.executable, "-c", "from fedsa.cli import main; main()"]
Serve = Callable[..., subprocess.Popen[str]]

pytestmark = pytest.mark.slow


@pytest.fixture
def serve(short: Path, tmp_path: Path) -> Iterator[Serve]:
    """Return a starter of gateways on one socket and one state folder."""
    started: list[subprocess.Popen[str]] = []

    def start(file: Path, *options: str) -> subprocess.Popen[str]:
        address = ["--address", f"unix://{short}/x.sock", "--state", str(tmp_path / "state")]
        process = subprocess.Popen(
            [*FEDSA, "teacher", "serve", str(file), *address, *options],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline().startswith("listening on unix:///")
    assert process.stdout.readline() == "ready: mint\n"


def _spent(state: Path) -> int:
    office = Office(state)
    try:
        return sum(one.spent for one in office.spent())
    finally:
        office.close()


def test_a_killed_gateway_has_kept_its_budget_and_its_answers(
    serve: Serve, make_slow: Callable[..., Path], short: Path, tmp_path: Path
) -> None:
    count, budget = 256 * 12, 256 * 14
    file = make_slow("Napping", OPEN | {"budget": {"predict": budget}})
    state, target = tmp_path / "state", Target(f"unix://{short}/x.sock")
    items = np.random.default_rng(1).integers(1, 256, (2 * count, 1, 12, 12), dtype=np.uint8)
    first = serve(file)
    _ready(first)
    with Client(target, patience=120) as client, ThreadPoolExecutor(1) as pool:
        name = offer(client, "mint", items)
        asked = Predict("mint", name, np.arange(count))
        before = client.ask(Predict("mint", name, np.arange(256)), 60)
        assert isinstance(before, Predicted) and _spent(state) == 256
        waiting = pool.submit(client.ask, asked, 240)
        while _spent(state) < 256 * 4:
            time.sleep(0.02)
        first.kill()
        first.communicate()
        assert _spent(state) < count  # in the middle of the question
        second = serve(file)
        # The caller asks again by itself, and pays at most for two batches twice.
        answered = waiting.result()
        assert isinstance(answered, Predicted)
        assert np.array_equal(answered.answers.values[:256], before.answers.values)
        spent = _spent(state)
        assert count <= spent <= count + 512 <= budget
        again = client.ask(asked, 60)
        assert isinstance(again, Predicted) and _spent(state) == spent
        assert np.array_equal(again.answers.values, answered.answers.values)
        refused = client.ask(Predict("mint", name, np.arange(count, count + 513)), 60)
        assert isinstance(refused, Failure) and refused.code == "budget"
        assert _spent(state) == spent
    third = serve(file)
    out, err = third.communicate(timeout=120)
    assert third.returncode == 5 and out == ""
    assert "Another process serves on" in err and "Traceback" not in err
    second.send_signal(signal.SIGTERM)
    out, err = second.communicate(timeout=120)
    assert second.returncode == 0 and out.splitlines()[-1] == "stopping" and err == ""
    assert not (short / "x.sock").exists()
    assert verify(state) == []


def test_a_model_that_hangs_does_not_hold_the_process(
    serve: Serve, make_slow: Callable[..., Path], short: Path
) -> None:
    process = serve(make_slow("Hanging"), "--grace", "600")
    _ready(process)
    with Client(Target(f"unix://{short}/x.sock"), patience=0) as client:
        items = np.ones((4, 1, 12, 12), np.uint8)
        name = offer(client, "mint", items)
        reply = client.ask(Predict("mint", name, np.arange(4)), 1.0)
        assert isinstance(reply, Failure) and reply.code == "cancelled"
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(client.ask, Predict("mint", name, np.arange(4)), 120)
            time.sleep(0.5)  # for it to arrive
            assert isinstance(client.ask(Describe(), 60), Described)
            process.send_signal(signal.SIGINT)
            assert process.stdout is not None and process.stdout.readline() == "stopping\n"
            process.send_signal(signal.SIGINT)  # no patience left
            assert isinstance(waiting.result(), Failure)
    process.communicate(timeout=120)
    assert process.returncode == 0


def test_a_model_that_cannot_be_loaded_ends_the_process_with_a_sentence(
    serve: Serve, make_teacher: Make
) -> None:
    file = make_teacher()
    (file.parent / "weights.safetensors").write_bytes(b"damaged")
    process = serve(file)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 4
    assert out.startswith("listening on") and "ready" not in out
    assert err.count("error: ") == 1 and "not a whole safetensors file" in err
    assert "Traceback" not in err
