"""The gateway as a process: it runs until a signal comes, and leaves nothing half done."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue

from fedsa.teacher.gateway.server import GRACE, Gateway
from fedsa.teacher.gateway.tls import Tls

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = logging.getLogger("fedsa.teacher")


def serve(
    files: Sequence[Path],
    address: str,
    state: Path,
    tls: Tls | None = None,
    *,
    grace: float = GRACE,
    told: Callable[[str], None] = print,
) -> None:
    """Serve until SIGTERM or SIGINT comes; a second one cuts the grace short.

    Parameters
    ----------
    files, address, state, tls : Sequence[Path], str, Path, Tls | None
        See :class:`~fedsa.teacher.gateway.server.Gateway`.
    grace : float
        Seconds in which what is under way may finish.
    told : Callable[[str], None]
        Is told, one line each: where it listens, that it is ready, that it stops.

    Raises
    ------
    GatewayError
        If the address cannot be served.
    TeacherFileError
        If a teacher's file or model cannot be used.
    """
    gateway = Gateway(files, address, state, tls)
    events: SimpleQueue[str] = SimpleQueue()
    with _signals(lambda: events.put("signal")):
        gateway.start()
        told(f"listening on {gateway.address}, loading {', '.join(gateway.teachers)}")
        threading.Thread(target=_settled, args=(gateway, events), daemon=True).start()
        try:
            while events.get() == "settled":
                if gateway.fault is not None:
                    grace = 0.0
                    raise gateway.fault
                told(f"ready: {', '.join(gateway.teachers)}")
            told("stopping")
        finally:
            _stop(gateway, grace, events)


def _settled(gateway: Gateway, events: SimpleQueue[str]) -> None:
    gateway.settled.wait()
    events.put("settled")


def _stop(gateway: Gateway, grace: float, events: SimpleQueue[str]) -> None:
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(gateway.stop, grace)
        while not stopping.done():
            try:
                if events.get(timeout=0.05) == "signal":
                    gateway.hurry()
            except Empty:
                continue
    if not stopping.result():
        # Python would wait for that thread for ever, and somebody for this process.
        _log.warning("a model does not come back from its forward pass; it is left behind")
        os._exit(0 if gateway.fault is None else 1)


@contextmanager
def _signals(act: Callable[[], None]) -> Iterator[None]:
    """Have signals only tell the main thread, which is waiting; give the old handlers back."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        signal.signal(number, lambda *_: act())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
