"""Processes are started and stopped by their pid files, and no others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from fedsa.deploy.service import Service, main
from fedsa.errors import RunError

READY = "import subprocess, sys, time; p = subprocess.Popen(['sleep', '60']); print('ready', p.pid)"
WAIT = f"{READY}; sys.stdout.flush(); time.sleep(60)"


@pytest.fixture
def service(tmp_path: Path):  # type: ignore[no-untyped-def]
    found = Service(tmp_path, "one")
    yield found
    found.stop(grace=0.5)


def test_it_runs_until_it_is_stopped_with_all_it_started(service: Service) -> None:
    pid = service.start([sys.executable, "-c", WAIT], until="ready")
    child = int(service.log.read_text().split()[1])
    assert service.process() == psutil.Process(pid) and psutil.pid_exists(child)
    with pytest.raises(RunError, match="runs already"):
        service.start(["true"])
    assert service.stop() is True
    assert service.process() is None and not service.pid_file.exists()
    deadline = time.monotonic() + 5
    while psutil.pid_exists(child) and psutil.Process(child).status() != "zombie":
        assert time.monotonic() < deadline
    assert service.stop() is False


def test_one_that_ends_at_once_is_told_with_its_last_words(service: Service) -> None:
    with pytest.raises(RunError, match=r"(?s)'one' did not start.*no such model"):
        service.start([sys.executable, "-c", "raise SystemExit('no such model')"], until="ready")
    assert not service.pid_file.exists()
    with pytest.raises(RunError, match="cannot be started"):
        service.start(["/no/such/program"])


def test_another_process_with_the_same_number_is_left_alone(service: Service) -> None:
    other = subprocess.Popen(["sleep", "60"])
    try:
        began = psutil.Process(other.pid).create_time() - 100
        service.pid_file.write_text(json.dumps({"pid": other.pid, "began": began}))
        assert service.process() is None and service.stop() is False
        assert other.poll() is None
        if os.geteuid() == 0:  # else nobody can be given the file
            began = psutil.Process(other.pid).create_time()
            service.pid_file.write_text(json.dumps({"pid": other.pid, "began": began}))
            os.chown(service.pid_file, 61003, 61003)
            assert service.process() is None and service.stop() is False
            assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": -1, "began": 0}', "\x00"])
def test_a_damaged_pid_file_names_nobody(service: Service, text: str) -> None:
    service.pid_file.write_text(text)
    assert service.process() is None


def test_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    where = ["two", "--in", str(tmp_path)]
    assert main(["status", *where]) == 1
    assert main(["start", *where, "--until", "x", "--", "sh", "-c", "echo x; exec sleep 60"]) == 0
    assert main(["status", *where]) == 0
    assert main(["stop", *where]) == 0 and main(["status", *where]) == 1
    assert main(["start", *where, "--until", "x", "--", "false"]) == 5
    assert "did not start" in capfd.readouterr().err
    assert os.listdir(tmp_path) == ["two.log"]


def test_one_that_does_not_end_is_told(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pid = service.start(["sleep", "60"])
    with monkeypatch.context() as patch:
        patch.setattr("fedsa.deploy.service._end", lambda processes, grace: None)
        assert main(["stop", "one", "--in", str(service.pid_file.parent)]) != 0
    assert f"'one' (process {pid}) does not end" in capsys.readouterr().err
    assert service.process() is not None
