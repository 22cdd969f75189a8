"""How often refusals are written down: they must not fill the institution's disk."""

from __future__ import annotations

import threading
from collections import OrderedDict

MOST = 60
"""Refusals of one caller in one minute that are recorded one by one."""
_CALLERS = 1024


class Refusals:
    """Counts each caller's refusals in the present minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, tuple[int, int, int]] = OrderedDict()

    def note(self, caller: str, now: float) -> int | None:
        """Return None if a refusal is not to be recorded, else how many before were not.

        Parameters
        ----------
        caller : str
            Who was refused.
        now : float
            Seconds since 1970.
        """
        minute = int(now // 60)
        with self._lock:
            begun, count, omitted = self._seen.pop(caller, (minute, 0, 0))
            if begun != minute:
                begun, count = minute, 0
            while len(self._seen) >= _CALLERS:
                self._seen.popitem(last=False)
            if count >= MOST:
                self._seen[caller] = (begun, count, omitted + 1)
                return None
            self._seen[caller] = (begun, count + 1, 0)
            return omitted
