"""Follows a run by the events in its folder, wherever its server's side runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol

from fedsa.errors import AllTeachersGone, FedsaError, RunError
from fedsa.launcher.progress import Progress
from fedsa.runs.folder import RunFolder
from fedsa.runs.room import full, is_full

_POLL = 0.25
_ASK_FLOWER, _ASK_LATER = 10.0, 30.0
"""Seconds without an event after which Flower is asked, before the first one and since: each time
is a process of its own, and the end of a run that has begun is seen by other signs too."""
_SILENCES = 3
"""Questions in a row that a SuperLink may leave unanswered: it may be starting anew."""
UNREACHABLE = "unreachable"


class Link(Protocol):
    """What is known of a run beside its events."""

    log: Path

    def is_serving(self) -> bool | None:
        """Whether the process of the server's side lives; None if that is not known."""

    def status(self, run_id: int) -> str:
        """Return the run's status in Flower's words, or ``unreachable``."""


def follow(link: Link, run_id: int, folder: RunFolder, seen: int, progress: Progress) -> None:
    """Hand events on until the run ends, one way or the other.

    Parameters
    ----------
    link : Link
        Where the run was submitted to.
    run_id : int
        By Flower's count.
    folder : RunFolder
        The run's.
    seen : int
        Events that were there before.
    progress : Progress
        Told of every further one.

    Raises
    ------
    FedsaError
        With the cause, if the run did not finish.
    """
    asked, silences, patience = time.monotonic(), 0, _ASK_FLOWER
    while True:
        serving = link.is_serving()  # before reading, so that no last event is missed
        events = folder.events()
        for event in events[seen:]:
            progress.event(event)
            if event["event"] == "finished":
                return
            if event["event"] == "error":
                raise _told(event)
        if len(events) > seen:  # a run that tells of itself goes on
            seen, asked, silences, patience = len(events), time.monotonic(), 0, _ASK_LATER
        if serving is False:
            raise _ended(link, folder, "its process has ended")
        if serving is None and time.monotonic() - asked > patience:
            status = link.status(run_id)
            asked = time.monotonic()
            silences = silences + 1 if status == UNREACHABLE else 0
            if silences >= _SILENCES:
                raise _ended(link, folder, "the SuperLink cannot be reached")
            if status.startswith("finished") and len(folder.events()) == seen:
                raise _ended(link, folder, status)
        time.sleep(_POLL)


def _ended(link: Link, folder: RunFolder, how: str) -> RunError:
    if is_full(folder.path):
        return RunError(full(folder.path))
    return RunError(
        f"The run ended without a result ({how}); the cause may be at the end of "
        f"{link.log}. What was done is kept: go on with --resume {folder.path}."
    )


def _told(event: dict[str, Any]) -> FedsaError:
    sentence = str(event.get("sentence", "The run failed."))
    code = int(event.get("exit_code", RunError.exit_code))
    if code == AllTeachersGone.exit_code:
        return AllTeachersGone(sentence)
    error = RunError(sentence)
    error.exit_code = code
    return error
