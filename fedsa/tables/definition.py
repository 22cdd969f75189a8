"""A table's definition: one base scenario, and named axes of changes to it."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError

from fedsa.app_folder import app_root
from fedsa.errors import FedsaError, RunError, ScenarioError
from fedsa.options import Options
from fedsa.run_config import find_scenario
from fedsa.scenario import Scenario, complete, read, sentence
from fedsa.tables.cells import Cell, clashes, merged

Names = Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
Change = dict[str, Any]
Form = TypeVar("Form", bound=Options)


class Part(Options):
    """One section of a table: the settings that it crosses; other axes stay at their first."""

    title: str
    vary: dict[str, Names] = Field(default_factory=dict)
    """Axis to its settings in this part; those of the last axis are the columns."""
    compare: Literal["methods", "columns"] = "methods"
    """What differences are from: the first method of the same cell, or the same method in the first
    column, which is what an ablation asks."""


class TableOptions(Options):
    """A table as its TOML file has it; ``docs/tables.md`` has each key."""

    title: str
    about: str = ""
    seeds: str = "0-4"
    strategies: Names = ("fedsa",)
    """The first is the one that all others are compared with; it runs with all baselines."""
    scenario: str | dict[str, Any]
    """The base: a scenario's name or file, or a scenario itself."""
    heads: tuple[str, ...] = Field(default=(), strict=False)
    """Heads of the task, where it has several: each is a column, with its own metric."""
    axes: dict[str, dict[str, Change]] = Field(default_factory=dict)
    """Axis to setting to a change: a piece of a scenario that replaces what the base has."""
    parts: Annotated[tuple[Part, ...], Field(strict=False)] = ()
    sees_more: dict[str, str] = Field(default_factory=dict)
    """Methods that get more than the others do, and what that is."""
    not_run: dict[str, str] = Field(default_factory=dict)
    """What belongs into the table and is not measured, and why."""

    def sections(self) -> tuple[Part, ...]:
        """Return the parts; all settings of all axes where none are named."""
        whole = Part(title="", vary={axis: tuple(found) for axis, found in self.axes.items()})
        return self.parts or (whole,)


class Table:
    """A table with its cells.

    Parameters
    ----------
    name : str
        The file's name without its ending.
    options : TableOptions
        What the file says.
    parts : Sequence[tuple[Part, Sequence[Cell]]]
        Each part's cells, its last axis the fastest.
    """

    def __init__(
        self, name: str, options: TableOptions, parts: Sequence[tuple[Part, Sequence[Cell]]]
    ) -> None:
        self.name, self.options, self.parts = name, options, parts

    def columns(self, part: Part, cells: Sequence[Cell]) -> tuple[Part, list[Cell]]:
        """Return a part and its cells as they are shown: one cell for each head, if there are."""
        if not self.options.heads:
            return part, list(cells)
        vary = {**part.vary, "head": self.options.heads}
        return part.model_copy(update={"vary": vary}), [
            cell.of(head) for cell in cells for head in self.options.heads
        ]

    @property
    def cells(self) -> list[Cell]:
        """Every cell once, in the order of the parts."""
        every = (cell for _, cells in self.parts for cell in cells)
        return list({tuple(cell.settings.values()): cell for cell in every}.values())


def known() -> dict[str, Path]:
    """Return the tables that come with fedsa, by name."""
    folder = app_root() / "simulations" / "tables"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def find(name: str) -> Path:
    """Return the path of a table: a file, or the name of one that comes with fedsa.

    Raises
    ------
    RunError
        If there is none of that name; the sentence lists those that there are.
    """
    if name.endswith(".toml"):
        return Path(name)
    if name not in known():
        raise RunError(
            f"No table called '{name}' comes with fedsa: use one of {', '.join(known()) or '-'}, "
            "or give the path of a table's file."
        )
    return known()[name]


def kind_of(path: Path) -> str:
    """Return the kind that a table's file names; empty for tables of runs, which have none."""
    try:
        return str(tomllib.loads(path.read_text(encoding="utf-8")).get("kind", ""))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return ""  # who reads it next tells what is wrong with it


def title_of(path: Path) -> str:
    """Return the title of a table of any kind.

    Raises
    ------
    ScenarioError
        If the file cannot be read.
    """
    return str(_document(path).get("title", path.stem))


def options_of(path: Path) -> TableOptions:
    """Read a table's file, without making its cells.

    Raises
    ------
    ScenarioError
        With every fault found.
    """
    return validated(TableOptions, path)


def validated(kind: type[Form], path: Path) -> Form:
    """Read a table's file of one kind.

    Raises
    ------
    ScenarioError
        With every fault found.
    """
    try:
        return kind.model_validate(_document(path))
    except ValidationError as error:
        faults = [sentence(dict(fault), "docs/tables.md") for fault in error.errors()]
        raise ScenarioError(faults) from None


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ScenarioError([f"There is no table's file '{path}': check the path."]) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError([f"The table's file '{path}' cannot be read: {error}."]) from None


def load(path: Path, overrides: Sequence[str] = ()) -> Table:
    """Read a table and make its cells, each with its own validated scenario.

    Parameters
    ----------
    path : Path
        The TOML file.
    overrides : Sequence[str]
        ``key=value`` as for a scenario, applied to every cell after its settings.

    Raises
    ------
    ScenarioError
        With every fault of the table and of its cells' scenarios.
    """
    options = options_of(path)
    faults = _faults(options)
    if faults:
        raise ScenarioError(faults)
    base = _base(options, path)
    made: dict[tuple[str, ...], Cell] = {}
    parts = []
    for part in options.sections():
        cells = []
        for settings in _crossed(options, part):
            name = ", ".join(settings.values())
            place = tuple(settings.values())
            if place not in made:
                changes = [options.axes[axis][setting] for axis, setting in settings.items()]
                faults += [f"cell '{name}': {text}" for text in clashes(settings, changes)]
                try:
                    scenario = complete(merged(base, *changes), overrides)
                except FedsaError as error:
                    faults += [f"cell '{name}': {line}" for line in str(error).splitlines()]
                    continue
                faults += [f"cell '{name}': {text}" for text in _at_odds(options, scenario)]
                made[place] = Cell(name, settings, scenario)
            cells.append(made[place])
        parts.append((part, cells))
    if faults:
        raise ScenarioError(list(dict.fromkeys(faults)))
    return Table(path.stem, options, parts)


def _crossed(options: TableOptions, part: Part) -> list[dict[str, str]]:
    """Return one dict of axis to setting, in the axes' order, for each cell of a part."""
    crossed = []
    for chosen in product(*part.vary.values()):
        own = dict(zip(part.vary, chosen, strict=True))
        crossed.append(
            {axis: own.get(axis, next(iter(options.axes[axis]))) for axis in options.axes}
        )
    return crossed


def _base(options: TableOptions, path: Path) -> dict[str, Any]:
    if isinstance(options.scenario, dict):
        return {"name": path.stem, **options.scenario}
    file = find_scenario(options.scenario)
    beside = path.parent / file
    return read(beside if beside.is_file() else file)


def _at_odds(options: TableOptions, scenario: Scenario) -> list[str]:
    """Return where a table asks for rows or columns that runs of the scenario cannot give."""
    task = scenario.task
    lacking = [name for name in options.heads if name not in task.heads]
    found = [f"heads: the task has no head '{name}'." for name in lacking]
    twice = [name for name in options.strategies if name in scenario.baselines]
    return found + [
        f"'{name}' is a strategy of the table and a baseline of the scenario, and a row has one "
        "name: leave it out of the one or the other."
        for name in twice
    ]


def _faults(options: TableOptions) -> list[str]:
    faults = [
        f"axes.{axis}: it has no settings." for axis, found in options.axes.items() if not found
    ]
    if options.heads and "head" in options.axes:
        faults.append(
            "axes.head: the columns of a table with heads are called so: rename the axis."
        )
    for place, part in enumerate(options.parts, 1):
        if options.heads and part.compare == "columns":
            faults.append(
                f"parts[{place}].compare: the columns of a table with heads are its heads, which "
                "have metrics of their own: leave it out."
            )
        for axis, names in part.vary.items():
            if axis not in options.axes:
                faults.append(f"parts[{place}].vary: there is no axis '{axis}'.")
                continue
            unknown = [name for name in names if name not in options.axes[axis]]
            faults += [
                f"parts[{place}].vary.{axis}: there is no setting '{name}'; the axis has "
                f"{', '.join(options.axes[axis])}."
                for name in unknown
            ]
    return faults
