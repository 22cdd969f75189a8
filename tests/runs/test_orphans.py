"""A process does not outlive its parent, whatever ended that."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil

PARENT = """
import os, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from fedsa.runs.orphans import go_with
if __name__ == "__main__":
    with ProcessPoolExecutor(
        1, get_context("spawn"), initializer=go_with, initargs=(os.getpid(),)
    ) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 60).result()
"""

SUPERLINK = """
import os, subprocess, sys
app = "import os, threading; from fedsa.runs.orphans import go_with_superlink;" \
    "print(os.getpid(), flush=True); go_with_superlink(); threading.Event().wait()"
subprocess.run([sys.executable, "-c", app, *sys.argv[1:], str(os.getpid())])
"""


def _goes(process: psutil.Process, seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _orphaned(path: Path, code: str, *arguments: str) -> psutil.Process:
    """Return the process that a parent has started, after the parent was killed."""
    path.write_text(code, encoding="utf-8")
    command = [sys.executable, str(path), *arguments]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    process = psutil.Process(int(parent.stdout.readline()))
    assert process.is_running()
    parent.kill()
    parent.wait()
    return process


def test_a_worker_goes_with_its_killed_parent(tmp_path: Path) -> None:
    assert _goes(_orphaned(tmp_path / "parent.py", PARENT))


def test_a_server_app_that_waits_goes_with_its_superlink(tmp_path: Path) -> None:
    assert _goes(_orphaned(tmp_path / "superlink.py", SUPERLINK, "--parent-pid"))


def test_a_server_app_started_by_hand_stays(tmp_path: Path) -> None:
    process = _orphaned(tmp_path / "shell.py", SUPERLINK, "--other")
    try:
        assert not _goes(process, 8.0)
    finally:
        process.kill()
