"""From Flower's run config to a run, whoever started it: the launcher or ``flwr run .``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedsa.data.splits import split
from fedsa.errors import ScenarioError
from fedsa.pools import build_pool
from fedsa.registry import Registry
from fedsa.run_config import scenario_of
from fedsa.runs.baselines import OPEN
from fedsa.runs.conduct import conduct
from fedsa.runs.default_folder import default_folder
from fedsa.runs.folder import RunFolder
from fedsa.runs.serving import serving
from fedsa.runs.survey import MODE, survey


def serve(
    grid: Any, run_config: Mapping[str, Any], strategies: Registry, *, deployed: bool = False
) -> None:
    """Conduct the run that a run config describes.

    Parameters
    ----------
    grid : Grid
        Flower's grid.
    run_config : Mapping[str, Any]
        See the app's ``pyproject.toml``: ``scenario, strategy, seed, set, run-dir, resume,
        mode``.
    strategies : Registry
        The recipes to choose from.
    deployed : bool
        Whether the nodes are institutions. Then the scenario's teachers are not trained, since
        the institutions bring theirs; the transfer set is the same one as in a simulation.

    Raises
    ------
    FedsaError
        With one sentence, which also ends the run's ``events.jsonl``.
    """
    scenario = scenario_of(run_config)
    if deployed and (inside := sorted(set(OPEN) & set(scenario.baselines))):
        raise ScenarioError(
            [f"baselines: {', '.join(inside)} would look inside teachers: in simulation only."]
        )
    named, resumed = str(run_config.get("run-dir", "")), str(run_config.get("resume", ""))
    if resumed:
        folder = RunFolder.reopen(Path(resumed), scenario)
    elif named and (Path(named) / "config.json").exists():
        folder = RunFolder.reopen(Path(named), scenario)  # the launcher has made it
    else:
        folder = RunFolder.create(Path(named) if named else default_folder(scenario.name), scenario)
    print(f"fedsa: the run's folder is {folder.path.resolve()}", flush=True)
    with serving(folder.path), folder.telling():
        recipe = strategies.get(scenario.strategy)
        parts = split(scenario)
        if scenario.teachers and not deployed:

            def tell(teacher: str, done: int, of: int) -> None:
                if done < of:
                    phase = f"training private teacher {done + 1} of {of}: {teacher}"
                    folder.emit("phase", phase=phase)

            build_pool(scenario, parts, tell)
        begin = survey if run_config.get("mode") == MODE else conduct
        begin(grid, scenario, parts, folder, recipe)
