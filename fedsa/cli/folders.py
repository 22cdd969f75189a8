"""The folder of a run that a command begins or goes on with."""

from __future__ import annotations

from pathlib import Path

from fedsa.data.splits import split
from fedsa.runs.default_folder import default_folder
from fedsa.runs.finished import begun
from fedsa.runs.folder import RunFolder
from fedsa.scenario import Scenario


def begin(path: Path | None, scenario: Scenario) -> RunFolder:
    """Make the folder of a new run; a scenario that its data refuse leaves none behind.

    Parameters
    ----------
    path : Path | None
        Where; without, in ``runs/`` under a name of its own.
    scenario : Scenario
        Of the run.

    Raises
    ------
    FedsaError
        If the data do not bear the scenario, or the folder holds a run already.
    """
    split(scenario).check_labels()
    return RunFolder.create(path or default_folder(scenario.name), scenario)


def go_on(path: Path, scenario: Scenario) -> RunFolder:
    """Open the folder of a run that was begun with this scenario.

    Raises
    ------
    ResumeError
        If it is no run's folder, or was begun with another scenario.
    """
    begun(path)
    return RunFolder.reopen(path, scenario)
