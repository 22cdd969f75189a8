"""``fedsa simulate``: teachers, Flower, progress, and an exit code that tells the truth."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import Any

from fedsa.app_folder import app_root
from fedsa.data.splits import split
from fedsa.errors import FedsaError, RunError
from fedsa.launcher.flower import Flower
from fedsa.launcher.processes import end
from fedsa.launcher.progress import Progress
from fedsa.pools import build_pool
from fedsa.runs.folder import RunFolder
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
    mark = _mark(folder.path)
    end(mark)  # what an earlier, killed launcher may have left running in this folder
    seen = len(folder.events())
    parts = split(scenario)
    pool = build_pool(scenario, parts, progress.pool)
    log = folder.path / "flower.log"
    progress.phase("starting Flower and Ray")
    with Flower(log, mark) as flower:
        config = {
            "scenario": str((folder.path / "config.json").resolve()),
            "run-dir": str(folder.path.resolve()),
            "pool": str(pool.resolve()),
        }
        run_id = flower.submit(app_folder(), config, len(scenario.pool()), scenario.federation.actors)
        _follow(flower, run_id, folder, seen, progress)
    summary: dict[str, Any] = json.loads((folder.path / "summary.json").read_text("utf-8"))
    return summary


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
        events = folder.events()
        for event in events[seen:]:
            progress.event(event)
            if event["event"] == "finished":
                return
            if event["event"] == "error":
                raise _told(event)
        seen = len(events)
        if time.monotonic() - asked > _ASK_FLOWER:
            asked = time.monotonic()
            status = flower.status(run_id)
            if status.startswith("finished") and len(folder.events()) == seen:
                raise RunError(
                    f"The run ended without a result ({status}); the cause is at the end of "
                    f"{flower.log}. Mend it and go on with --resume {folder.path}."
                )
        time.sleep(_POLL)


def _told(event: dict[str, Any]) -> FedsaError:
    error = RunError(str(event.get("sentence", "The run failed.")))
    error.exit_code = int(event.get("exit_code", error.exit_code))
    return error


def _mark(folder: Path) -> str:
    path = folder / ".mark"
    if not path.exists():
        path.write_text(uuid.uuid4().hex, encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()
