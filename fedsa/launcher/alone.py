"""One launcher a run folder: a second would end the first one's processes."""

from __future__ import annotations

import contextlib
import fcntl
import uuid
from collections.abc import Iterator
from pathlib import Path

from fedsa.errors import RunError


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[str]:
    """Hold a run folder for this process and yield the run's mark, the same at each resume.

    The lock is the operating system's, so that no kill leaves it behind.

    Raises
    ------
    RunError
        If another launcher holds the folder.
    """
    with (folder / ".mark").open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f"The run in '{folder}' is under way in another process: wait for it, or stop "
                "that one first."
            ) from None
        except OSError:
            pass  # some network file systems have no locks; then nobody is kept out
        file.seek(0)
        mark = file.read().strip()
        if not mark:
            mark = uuid.uuid4().hex
            file.write(mark)
            file.flush()
        yield mark
