"""``fedsa simulate``: teachers, Flower, progress, and an exit code that tells the truth."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from fedsa.app_folder import app_root
from fedsa.data.splits import split
from fedsa.errors import AllTeachersGone, FedsaError, RunError
from fedsa.launcher.alone import alone
from fedsa.launcher.flower import Flower, check_port
from fedsa.launcher.processes import clear, marking
from fedsa.launcher.progress import Progress
from fedsa.pools import build_pool
from fedsa.runs.folder import RunFolder
from fedsa.runs.room import full, is_full
from fedsa.scenario import Scenario

_POLL = 0.25
_ASK_FLOWER = 10.0


def simulate(scenario: Scenario, folder: RunFolder, progress: Progress) -> dict[str, Any]:
    """Run a scenario on this machine and return its summary.

    Parameters
    ----------
    scenario : Scenario
        Validated.
    folder : RunFolder
        New, or that of an interrupted run.
    progress : Progress
        Told of everything as it happens.

    Raises
    ------
    FedsaError
        With the cause, if the run did not finish.
    """
    with alone(folder.path) as mark, marking(mark):
        if clear(mark):
            progress.say("ended what an earlier, killed start had left running")
        if folder.is_finished:
            return folder.summary()
        check_port()
        seen = len(folder.events())
        parts = split(scenario)
        pool = build_pool(scenario, parts, progress.pool)
        progress.phase("starting Flower and Ray")
        with Flower(folder.path / "flower.log", mark) as flower:
            config = {
                "scenario": str((folder.path / "config.json").resolve()),
                "run-dir": str(folder.path.resolve()),
                "pool": str(pool.resolve()),
            }
            nodes, actors = len(scenario.pool()), scenario.federation.actors
            run_id = flower.submit(app_folder(), config, nodes, actors)
            _follow(flower, run_id, folder, seen, progress)
        return folder.summary()


def app_folder() -> Path:
    """Return the app to run: the one in the current folder if there is one, else fedsa's own."""
    here = Path.cwd()
    if (here / "server" / "app.py").is_file() and (here / "pyproject.toml").is_file():
        return here
    return app_root()


def _follow(flower: Flower, run_id: int, folder: RunFolder, seen: int, progress: Progress) -> None:
    """Hand events on until the run ends, one way or the other."""
    asked = time.monotonic()
    while True:
        serving = flower.is_serving()  # before reading, so that no last event is missed
        events = folder.events()
        for event in events[seen:]:
            progress.event(event)
            if event["event"] == "finished":
                return
            if event["event"] == "error":
                raise _told(event)
        seen = len(events)
        if serving is False:
            raise _ended(folder, "its process has ended")
        if serving is None and time.monotonic() - asked > _ASK_FLOWER:
            asked = time.monotonic()
            if (status := flower.status(run_id)).startswith("finished"):
                raise _ended(folder, status)
        time.sleep(_POLL)


def _ended(folder: RunFolder, how: str) -> RunError:
    if is_full(folder.path):
        return RunError(full(folder.path))
    return RunError(
        f"The run ended without a result ({how}); the cause may be at the end of "
        f"{folder.path / 'flower.log'}. What was done is kept: go on with --resume {folder.path}."
    )


def _told(event: dict[str, Any]) -> FedsaError:
    sentence = str(event.get("sentence", "The run failed."))
    code = int(event.get("exit_code", RunError.exit_code))
    if code == AllTeachersGone.exit_code:
        return AllTeachersGone(sentence)
    error = RunError(sentence)
    error.exit_code = code
    return error
