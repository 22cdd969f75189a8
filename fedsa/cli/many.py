"""Several seeds and strategies of one scenario, one run folder each, finished ones kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from fedsa.cli.checks import check_plugins
from fedsa.errors import RunError, ScenarioError
from fedsa.launcher import simulate
from fedsa.launcher.progress import Progress
from fedsa.run_config import find_scenario
from fedsa.runs.folder import RunFolder
from fedsa.scenario import Scenario, load


def run_many(
    scenario: str,
    strategies: str,
    seeds: str,
    overrides: Sequence[str],
    out: Path,
    console: Console,
) -> list[Path]:
    """Run what is not finished yet and return all run folders.

    Raises
    ------
    FedsaError
        Of the first run that fails; those before it are kept.
    """
    folders = []
    names = [name.strip() for name in strategies.split(",") if name.strip()]
    todo = [(name, seed) for seed in numbers(seeds) for name in names]
    for place, (name, seed) in enumerate(todo, 1):
        more = [*overrides, f"strategy={json.dumps(name)}"]
        if name != names[0]:
            more.append("baselines=[]")  # the same whatever strategy ran beside them
        chosen = load(find_scenario(scenario), more, seed)
        path = out / f"{chosen.name}-{name.replace(':', '.')}-seed{seed}"
        console.print(f"[{place}/{len(todo)}] {name}, seed {seed}", highlight=False, markup=False)
        folders.append(run_one(chosen, path, console))
    return folders


def run_one(scenario: Scenario, path: Path, console: Console) -> Path:
    """Run a scenario in a folder, or go on with it there, unless it has finished; return it.

    Raises
    ------
    FedsaError
        If it fails, or the folder holds another run.
    """
    check_plugins(scenario)
    if (path / "config.json").exists():
        folder = RunFolder.reopen(path, scenario)
        if folder.is_finished:
            return path
    else:
        folder = RunFolder.create(path, scenario)
    with Progress(scenario, console) as progress:
        summary = simulate(scenario, folder, progress)
    console.print(f"  student {summary['metrics']['student']:.4f}", highlight=False)
    return path


def numbers(text: str) -> list[int]:
    """Return the seeds that ``0,1,2`` or ``0-4`` names.

    Raises
    ------
    FedsaError
        If it names none.
    """
    found: list[int] = []
    try:
        for part in text.split(","):
            first, dash, last = part.partition("-")
            found += range(int(first), int(last) + 1) if dash else [int(first)]
    except ValueError:
        raise ScenarioError([f"--seeds {text}: write seeds as in 0,1,2 or 0-4."]) from None
    if not found:
        raise RunError(f"--seeds {text} names no seed: write seeds as in 0,1,2 or 0-4.")
    return list(dict.fromkeys(found))  # one that is named twice is no second measurement
