"""The records of many simulated institutions in one process: few of them are open at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from fedsa.errors import TeacherFileError
from fedsa.teacher.faults import Fault
from fedsa.teacher.policy.office import Office

KEPT = 16
"""Offices that stay open; each holds a handful of files."""


class Offices:
    """Offices by folder; those not used for longest are let go.

    Parameters
    ----------
    kept : int
        How many stay open.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self.kept = kept
        self._offices: OrderedDict[Path, Office] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, folder: Path) -> Office:
        """Return the office of a folder; made if there is none.

        One that is pushed out closes its files once nobody uses it any more.

        Raises
        ------
        Fault
            ``storage`` if it cannot be used.
        """
        with self._lock:
            if folder not in self._offices:
                try:
                    self._offices[folder] = Office(folder)
                except TeacherFileError as error:
                    raise Fault("storage") from error
            self._offices.move_to_end(folder)
            while len(self._offices) > self.kept:
                self._offices.popitem(last=False)
            return self._offices[folder]
