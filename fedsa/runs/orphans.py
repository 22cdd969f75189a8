"""A worker whose parent was killed goes too: nobody waits for what it works on."""

from __future__ import annotations

import os
import threading
import time

_EVERY = 0.5


def go_with(parent: int) -> None:
    """End this process soon after ``parent``, which started it, has ended in whatever way.

    To be called in a worker as it begins: Python ends workers only where their parent has the
    time to.
    """
    threading.Thread(target=_watch, args=(parent,), name="orphan-watch", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_EVERY)
    os._exit(1)
