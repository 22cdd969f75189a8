"""Pulls replies in lanes, so that one that is stuck on its way holds up no deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from flwr.app import Message
from flwr.serverapp import Grid

LANES = 16
"""Pulls at a time: of so many institutions each has a lane of its own."""
PATIENCE = 1.0
"""Seconds to wait for the lanes; a reply that takes longer to come over comes with a later pull."""


@dataclass
class _Lane:
    """A pull under way in a thread of its own, which ends with the process."""

    ids: list[str]
    done: threading.Event = field(default_factory=threading.Event)
    replies: list[Message] = field(default_factory=list)
    error: Exception | None = None

    def run(self, grid: Grid) -> None:
        try:
            self.replies = list(grid.pull_messages(self.ids))
        except Exception as error:
            self.error = error
        self.done.set()


class Pulling:
    """Asks a grid for replies without ever being held up by one of them.

    Flower hands a reply out once, to one pull, which then waits until the institution has
    uploaded all of it: for minutes, where a link is slow or a SuperNode was killed meanwhile.
    A simulation's grid holds whole replies only and is asked directly.
    """

    def __init__(self) -> None:
        self._lanes: list[_Lane] = []

    def pull(self, grid: Grid, ids: Collection[str]) -> list[Message]:
        """Return the replies that are here, to these questions or to those of earlier pulls.

        Parameters
        ----------
        grid : Grid
            Flower's grid.
        ids : Collection[str]
            Of the questions.
        """
        # Here, as it loads much that whoever only names a strategy never needs.
        from flwr.superlink.grid import HttpGrid

        if not isinstance(grid, HttpGrid):
            return list(grid.pull_messages(sorted(ids)))
        busy = {one for lane in self._lanes for one in lane.ids}
        idle = sorted(set(ids) - busy)
        begun = [_Lane(idle[start::LANES]) for start in range(min(LANES, len(idle)))]
        for lane in begun:
            threading.Thread(target=lane.run, args=(grid,), name="pull", daemon=True).start()
        self._lanes += begun
        end = time.monotonic() + PATIENCE
        for lane in begun:
            lane.done.wait(max(0.0, end - time.monotonic()))
        done = [lane for lane in self._lanes if lane.done.is_set()]
        self._lanes = [lane for lane in self._lanes if lane not in done]
        for lane in done:
            if lane.error is not None:
                raise lane.error
        return [reply for lane in done for reply in lane.replies]
