"""From Flower's flat run config to a scenario; server and simulated clients agree on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedsa.app_folder import builtin_scenario
from fedsa.errors import ScenarioError
from fedsa.scenario import Scenario, load, parse


def find_scenario(name: str) -> Path:
    """Return the path of a scenario: a file, or the name of one that comes with fedsa."""
    path = Path(name)
    return path if path.suffix in (".toml", ".json") else builtin_scenario(name)


def scenario_of(run_config: Mapping[str, Any]) -> Scenario:
    """Return the scenario that a run config names, with its overrides applied.

    Parameters
    ----------
    run_config : Mapping[str, Any]
        ``scenario`` (name or path), ``strategy``, ``seed`` (-1: the scenario's), and ``set``
        (overrides ``key=value`` parted by semicolons).

    Raises
    ------
    ScenarioError
        With every fault found.
    """
    path = find_scenario(str(run_config.get("scenario") or "quickstart"))
    if path.suffix == ".json":
        try:
            return parse(json.loads(path.read_text(encoding="utf-8"))["scenario"])
        except (OSError, ValueError, KeyError, TypeError):
            raise ScenarioError([f"The run's config '{path}' cannot be read."]) from None
    overrides = [part.strip() for part in str(run_config.get("set", "")).split(";") if part.strip()]
    if strategy := str(run_config.get("strategy", "")):
        overrides.append(f"strategy={json.dumps(strategy)}")
    seed = int(run_config.get("seed", -1))
    return load(path, overrides, None if seed < 0 else seed)
