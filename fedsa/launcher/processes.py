"""Every process of a run carries the run's mark, so that all of them, and no others, are ended.

The mark is in the environment and in the name of the working folder: Ray's agents write their
title over the memory that holds their environment, and keep the folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import resource_tracker
from pathlib import Path

import psutil

MARK = "FEDSA_RUN_MARK"
_GRACE = 1.5


def home(mark: str) -> Path:
    """Return the working folder of a run's processes; short, since Ray's sockets lie below it."""
    return Path(tempfile.gettempdir()).resolve() / f"fedsa-{mark[:12]}"


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs; one that ended but was not waited for does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def marked(mark: str) -> list[psutil.Process]:
    """Return the living processes, other than this one, that were started under ``mark``."""
    found, folder = [], str(home(mark))
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if not is_alive(process):
                continue
            here = process.cwd().removesuffix(" (deleted)")
            inside = here == folder or here.startswith(folder + os.sep)
            if inside or process.environ().get(MARK) == mark:
                found.append(process)
    return found


@contextlib.contextmanager
def marking(mark: str) -> Iterator[None]:
    """Give every process that is started in the block, by whatever means, the run's mark."""
    # Python's own helper outlives the block and ignores being asked to end: started before it.
    resource_tracker.ensure_running()
    before = os.environ.get(MARK)
    os.environ[MARK] = mark
    try:
        yield
    finally:
        os.environ.pop(MARK)
        if before is not None:
            os.environ[MARK] = before


def clear(mark: str) -> int:
    """End what a run left running and remove its working folder; return how many there were."""
    count = end(mark)
    shutil.rmtree(home(mark), ignore_errors=True)
    return count


def end(mark: str, grace: float = _GRACE) -> int:
    """End every process of a run: ask first, then insist; return how many there were.

    New ones may be started while old ones die (Ray replaces its workers), so the look-up is
    repeated until none is left.
    """
    seen: set[int] = set()
    deadline = time.monotonic() + grace
    while processes := marked(mark):
        late = time.monotonic() > deadline
        for process in processes:
            with contextlib.suppress(psutil.Error):
                if late:
                    process.kill()
                elif process.pid not in seen:
                    process.terminate()
            seen.add(process.pid)
        time.sleep(0.1)
        if late and time.monotonic() > deadline + 3 * grace:
            break
    return len(seen)
