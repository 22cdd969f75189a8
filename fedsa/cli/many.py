"""Several seeds and strategies of one scenario, one run folder each, finished ones kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from fedsa.cli.checks import check_plugins
from fedsa.cli.folders import begin, go_on
from fedsa.errors import FedsaError, ResumeError, RunError, ScenarioError
from fedsa.launcher import simulate
from fedsa.launcher.progress import Progress
from fedsa.run_config import find_scenario
from fedsa.runs.compare import check_reference
from fedsa.runs.finished import Run
from fedsa.scenario import Scenario, load


def run_many(
    scenario: str,
    strategies: str,
    seeds: str,
    overrides: Sequence[str],
    out: Path,
    console: Console,
    reference: str | None = None,
    beside: Sequence[Run] = (),
) -> list[Path]:
    """Run what is not finished yet and return all run folders.

    Parameters
    ----------
    scenario : str
        A scenario's file, or the name of one that comes with fedsa.
    strategies, seeds : str
        As in ``fedsa,uniform`` and ``0-4``.
    overrides : Sequence[str]
        ``key=value``, for every run.
    out : Path
        Where the run folders go.
    console : Console
        Told of every run.
    reference : str | None
        The strategy that the others are to be compared with, if one is chosen.
    beside : Sequence[Run]
        Earlier runs that are to be compared with these.

    Raises
    ------
    FedsaError
        Before the first run, if something is asked for that there is not or a folder holds
        another run; else of the first run that fails, and those before it are kept.
    """
    # One that is named twice is no second strategy.
    names = list(dict.fromkeys(name.strip() for name in strategies.split(",") if name.strip()))
    if not names:
        raise RunError(f"--strategies {strategies} names none: write them as in fedsa,uniform.")
    if reference is not None:
        check_reference(reference, [*names, *(run.strategy for run in beside if run.finished)])
    todo = []
    for seed in numbers(seeds):
        for name in names:
            more = [*overrides, f"strategy={json.dumps(name)}"]
            if name != names[0]:
                more.append("baselines=[]")  # the same whatever strategy ran beside them
            chosen = load(find_scenario(scenario), more, seed)
            path = out / f"{chosen.name}-{name.replace(':', '.')}-seed{seed}"
            todo.append((chosen, path))
    _check_names([chosen for chosen, _ in todo[: len(names)]])  # a seed names nothing
    for chosen, path in todo:
        _check_place(chosen, path, beside)
    for place, (chosen, path) in enumerate(todo, 1):
        told = f"[{place}/{len(todo)}] {chosen.strategy}, seed {chosen.seed}"
        console.print(told, highlight=False, markup=False)
        run_one(chosen, path, console)
    return [path for _, path in todo]


def _check_names(scenarios: Sequence[Scenario]) -> None:
    """Refuse scenarios of which one names what there is not; tell what they share only once."""
    errors: dict[str, FedsaError] = {}
    for scenario in scenarios:
        try:
            check_plugins(scenario)
        except FedsaError as error:
            errors.setdefault(str(error), error)
    if len(errors) == 1:
        raise next(iter(errors.values()))
    if errors:
        raise ScenarioError(
            list(dict.fromkeys(line for text in errors for line in text.split("\n")))
        )


def _check_place(scenario: Scenario, path: Path, beside: Sequence[Run]) -> None:
    """Refuse a run whose folder holds another one, or that is among the earlier ones too."""
    for run in beside:
        if run.key == (scenario.name, scenario.strategy, scenario.seed):
            raise RunError(
                f"'{run.folder}' is strategy {run.strategy}, seed {run.seed} of scenario "
                f"{run.scenario}, which --scenario makes as well: leave one of them out."
            )
    if not (path / "config.json").exists():
        return
    try:
        go_on(path, scenario)
    except ResumeError as error:
        # Going on with the old run, as is advised there, would bring a comparison no further.
        told = str(error).partition(" Go on with the old config ")[0]
        raise ResumeError(
            f"{told} Name another folder by --out, or give --set and the first of --strategies as "
            "they were then."
        ) from None


def run_one(scenario: Scenario, path: Path, console: Console) -> Path:
    """Run a scenario in a folder, or go on with it there, unless it has finished; return it.

    Raises
    ------
    FedsaError
        If it fails, its data refuse it, or the folder holds another run.
    """
    check_plugins(scenario)
    if (path / "config.json").exists():
        folder = go_on(path, scenario)
        if folder.is_finished:
            return path
    else:
        folder = begin(path, scenario)
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
