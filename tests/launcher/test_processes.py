"""All processes of a run are found and ended, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsa.errors import RunError
from fedsa.launcher import processes
from fedsa.launcher.alone import alone

MEEK = "import time; print(flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {MEEK}"
OTHER = """
import pathlib, sys
from fedsa.launcher.alone import alone
with alone(pathlib.Path(sys.argv[1])):
    pass
"""


@pytest.fixture
def mark() -> Iterator[str]:
    name = uuid.uuid4().hex
    yield name
    processes.clear(name)


def _start(code: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen[bytes]:
    variables = {k: v for k, v in os.environ.items() if k != processes.MARK} | environment
    command = [sys.executable, "-c", code]
    started = subprocess.Popen(command, cwd=cwd, env=variables, stdout=subprocess.PIPE)
    assert started.stdout is not None
    started.stdout.readline()
    return started


def test_the_mark_is_found_in_the_environment_or_the_folder(mark: str) -> None:
    processes.home(mark).mkdir()
    with processes.marking(mark):
        by_environment = _start(MEEK, **{processes.MARK: os.environ[processes.MARK]})
    by_folder = _start(MEEK, cwd=processes.home(mark))
    other = _start(MEEK, **{processes.MARK: "another run"})
    assert {p.pid for p in processes.marked(mark)} == {by_environment.pid, by_folder.pid}
    assert processes.clear(mark) == 2
    assert by_environment.wait(5) == by_folder.wait(5) == -15
    assert not processes.home(mark).exists()
    assert other.poll() is None
    other.kill()
    other.wait()


def test_the_mark_is_lent_for_the_block_only(mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(processes.MARK, raising=False)
    with pytest.raises(ZeroDivisionError), processes.marking(mark):
        assert os.environ[processes.MARK] == mark
        _ = 1 / 0
    assert processes.MARK not in os.environ


def test_one_that_will_not_go_is_killed(mark: str) -> None:
    stubborn = _start(STUBBORN, **{processes.MARK: mark})
    begin = time.monotonic()
    assert processes.end(mark, grace=0.5) == 1
    assert stubborn.wait(5) == -9 and time.monotonic() - begin < 5
    assert processes.end(mark) == 0


def test_a_folder_is_held_by_one_launcher(tmp_path: Path) -> None:
    with alone(tmp_path) as first:
        with pytest.raises(RunError, match="under way in another process"), alone(tmp_path):
            pass
        other = [sys.executable, "-c", OTHER, str(tmp_path)]
        done = subprocess.run(other, capture_output=True, text=True)
        assert "under way" in done.stderr
    with alone(tmp_path) as again:
        assert again == first
