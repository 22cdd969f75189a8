"""The definition of a few-shot table: settings, and the figures that others published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from fedsa.errors import ScenarioError
from fedsa.few_shot.episodes import SEEN, UNSEEN
from fedsa.few_shot.world import Setting
from fedsa.options import Options, Positive
from fedsa.tables.definition import validated

CELLS = {f"{kind} {shots}": f"{shots}-shot {kind}" for shots in (1, 5) for kind in (SEEN, UNSEEN)}
"""Kind of classes and labels of each, as tables spell them, to what pages call it."""


class Published(Options):
    """Accuracies in percent that somebody published, by method, of the cell ``S 1`` and so on."""

    setting: str
    """Whose cells they stand beside."""
    source: str
    cells: dict[str, dict[str, float]]


class FewShotOptions(Options):
    """A few-shot table as its TOML file has it; ``docs/tables.md`` has each key."""

    kind: Literal["few-shot"]
    title: str
    about: str = ""
    seeds: str = "0-4"
    episodes: Positive = 10
    """Of each seed, kind of classes and number of labels."""
    settings: Annotated[dict[str, Setting], Field(min_length=1)]
    published: Annotated[tuple[Published, ...], Field(strict=False)] = ()
    not_run: dict[str, str] = Field(default_factory=dict)
    """What belongs into the table and is not measured, and why."""


class FewShotTable:
    """A few-shot table.

    Parameters
    ----------
    name : str
        The file's name without its ending.
    options : FewShotOptions
        What the file says.
    """

    def __init__(self, name: str, options: FewShotOptions) -> None:
        self.name, self.options = name, options


def load(path: Path, overrides: Sequence[str] = ()) -> FewShotTable:
    """Read a few-shot table.

    Raises
    ------
    ScenarioError
        With every fault of the table; of ``--set``, which changes scenarios, there is none here.
    """
    options = validated(FewShotOptions, path)
    faults = [
        f"published: there is no setting '{one.setting}'; the table has "
        f"{', '.join(options.settings)}."
        for one in options.published
        if one.setting not in options.settings
    ]
    faults += [
        f"published.cells: there is no cell '{cell}'; there are {', '.join(CELLS)}."
        for one in options.published
        for cell in one.cells
        if cell not in CELLS
    ]
    if overrides:
        faults.append("--set changes scenarios, and a few-shot table has none: edit its settings.")
    if faults:
        raise ScenarioError(faults)
    return FewShotTable(path.stem, options)
