"""``fedsa simulate``: teachers, Flower, progress, and an exit code that tells the truth."""

from __future__ import annotations

from typing import Any

from fedsa.app_folder import app_folder
from fedsa.data.splits import split
from fedsa.launcher.alone import alone
from fedsa.launcher.flower import Flower, check_port
from fedsa.launcher.following import follow
from fedsa.launcher.processes import clear, marking
from fedsa.launcher.progress import Progress
from fedsa.pools import build_pool
from fedsa.runs.folder import RunFolder
from fedsa.runs.survey import MODE
from fedsa.scenario import Scenario


def simulate(
    scenario: Scenario, folder: RunFolder, progress: Progress, mode: str = ""
) -> dict[str, Any]:
    """Run a scenario on this machine and return its summary.

    Parameters
    ----------
    scenario : Scenario
        Validated.
    folder : RunFolder
        New, or that of an interrupted run.
    progress : Progress
        Told of everything as it happens.
    mode : str
        ``survey`` only asks; see :mod:`fedsa.runs.survey`.

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
        if mode != MODE:
            parts.check_labels()
        pool = build_pool(scenario, parts, progress.pool)
        progress.phase("starting Flower and Ray")
        with Flower(folder.path / "flower.log", mark) as flower:
            config = {
                "scenario": str((folder.path / "config.json").resolve()),
                "run-dir": str(folder.path.resolve()),
                "pool": str(pool.resolve()),
                "mode": mode,
            }
            nodes, actors = len(scenario.pool()), scenario.federation.actors
            run_id = flower.submit(app_folder(), config, nodes, actors)
            follow(flower, run_id, folder, seen, progress)
        return folder.summary()
