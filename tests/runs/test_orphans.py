"""A worker does not outlive its parent, whatever ended that."""

from __future__ import annotations

import subprocess
import sys
import time

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


def test_a_worker_goes_with_its_killed_parent(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "parent.py"
    path.write_text(PARENT, encoding="utf-8")
    parent = subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = psutil.Process(int(parent.stdout.readline()))
    assert worker.is_running()
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 30
    while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)
