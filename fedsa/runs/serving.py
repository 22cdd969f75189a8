"""Which process conducts the run of a folder: at most one, and others can tell whether it lives."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

from fedsa.errors import RunError

_FILE = ".serving"
_PATIENCE = 30.0


@contextlib.contextmanager
def serving(folder: Path, patience: float = _PATIENCE) -> Iterator[None]:
    """Hold a run folder while its run is conducted.

    The lock is the operating system's and the process's own: it goes with the process, however
    that ends, and no child inherits it.

    Parameters
    ----------
    folder : Path
        The run's.
    patience : float
        Seconds to wait for another process that is on its way out.

    Raises
    ------
    RunError
        If another process goes on holding it.
    """
    with (folder / _FILE).open("ab") as file:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except (BlockingIOError, PermissionError):
                if time.monotonic() > deadline:
                    raise RunError(
                        f"The run in '{folder}' is being conducted by another process: stop that "
                        "run first (flwr ls, flwr stop)."
                    ) from None
                time.sleep(0.1)
            except OSError:
                break  # some network file systems have no locks; then nobody is kept out
        yield


def is_served(folder: Path) -> bool:
    """Whether a process, on this machine, conducts the folder's run now.

    Not to be asked by that process itself: closing the file would let go of its lock.
    """
    try:
        with (folder / _FILE).open("ab") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return False
    return False
