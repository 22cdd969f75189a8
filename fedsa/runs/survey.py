"""A run that only asks: every teacher about the whole transfer set, without any label."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fedsa.data.splits import Split
from fedsa.runs.conduct import Recipe, make_problem
from fedsa.runs.folder import RunFolder, write_json
from fedsa.scenario import Scenario
from fedsa.strategy import Wiring, aside

MODE = "survey"
"""What the run config's ``mode`` says for such a run."""


def survey(grid: Any, scenario: Scenario, parts: Split, folder: RunFolder, recipe: Recipe) -> None:
    """Ask all teachers within their terms; the answers lie in the folder's ``answers/``.

    Parameters
    ----------
    grid : Grid
        Flower's grid, handed through to the strategy.
    scenario, parts : Scenario, Split
        Whose transfer set the teachers are asked about.
    folder : RunFolder
        New, or that of an interrupted survey, which is then gone on with.
    recipe : Recipe
        Composes the strategy that asks; it selects and trains nothing.

    Raises
    ------
    AllTeachersGone
        If no teacher can be reached.
    """
    folder.emit("started", strategy=MODE, seed=scenario.seed, rounds=0)
    nothing = parts.labelled[:0]
    problem = make_problem(scenario, replace(parts, labelled=nothing, labels=nothing, masses=None))
    strategy = recipe(problem, scenario, Wiring(folder=folder.path, observe=folder.emit))
    strategy.resume()
    folder.emit("phase", phase="asking all teachers about the transfer set")
    answers = aside.survey(strategy, grid)
    asked = {name: int(answers.asked(name).sum()) for name in answers}
    document = {"scenario": scenario.name, "seed": scenario.seed, "answers": asked}
    write_json(folder.path / "summary.json", document)
    folder.emit("finished", status="surveyed")
