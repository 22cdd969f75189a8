"""A process whose parent was killed goes too: nobody waits for what it works on."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence

_EVERY = 0.5
_GRACE = 5.0
_FLAG = "--parent-pid"


def go_with(parent: int) -> None:
    """End this process soon after ``parent``, which started it, has ended in whatever way.

    To be called in a worker as it begins: Python ends workers only where their parent has the
    time to.
    """
    threading.Thread(target=_watch, args=(parent, 0.0), name="orphan-watch", daemon=True).start()


def go_with_superlink(arguments: Sequence[str] | None = None) -> None:
    """End this server app soon after the SuperLink that started it, however that ended.

    Flower interrupts the main thread then, from another thread; a main thread that waits for a
    message to be pushed is not woken by that, and would hold the run's folder for good.

    Parameters
    ----------
    arguments : sequence of str, optional
        Of this process. A server app that was started by hand names no parent and stays.
    """
    given = list(sys.argv if arguments is None else arguments)
    if _FLAG in given[:-1] and (parent := given[given.index(_FLAG) + 1]).isdecimal():
        threading.Thread(
            target=_watch, args=(int(parent), _GRACE), name="superlink-watch", daemon=True
        ).start()


def _watch(parent: int, grace: float) -> None:
    while os.getppid() == parent:
        time.sleep(_EVERY)
    time.sleep(grace)
    os._exit(1)
