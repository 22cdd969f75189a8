"""``fedsa table``: runs the cells of a result table that are missing, and tells all of them."""

from __future__ import annotations

import shlex
import time
from datetime import timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedsa.cli.commands import Overrides, console
from fedsa.cli.main import app
from fedsa.errors import FedsaError, RunError, ScenarioError

if TYPE_CHECKING:
    from fedsa.scenario import Scenario
    from fedsa.tables.cells import Cell
    from fedsa.tables.making import Making

Name = Annotated[str | None, typer.Argument(show_default=False)]
Out = Annotated[Path, typer.Option(help="Folder for the results and the runs.")]
Seeds = Annotated[str | None, typer.Option(help="In place of the table's, as in 0,1,2 or 0-4.")]
Only = Annotated[str, typer.Option(help="Run only cells whose name matches, as in 'coarse*5 %'.")]
Show = Annotated[bool, typer.Option("--show", help="Run nothing, only tell what is there.")]
Keep = Annotated[
    bool, typer.Option("--keep", help="Keep results that were made with other code, too.")
]
Alone = Annotated[
    bool,
    typer.Option("--alone", help="Run strategies without the baselines; these stay as they are."),
]


@app.command()
def table(
    name: Name = None,
    out: Out = Path("runs/tables"),
    seeds: Seeds = None,
    only: Only = "",
    overrides: Overrides = None,
    show: Show = False,
    keep: Keep = False,
    alone: Alone = False,
) -> None:
    """Make a result table: run the cells that are missing, write NAME.md and NAME.json.

    NAME is a table that comes with fedsa (without one, they are listed), or a table's file.

    A cell is one scenario with one strategy and one seed. It counts as done when it was run to
    its end with the code and data that there are now; so the command can be stopped at any time
    and given again, and goes on with a cell that was cut short. Baselines take most of the time:
    after a change that touches none of them, --alone runs only what stands beside them.
    """
    from fedsa.tables.definition import find, kind_of, known, load, title_of

    if name is None:
        for each, path in known().items():
            console.print(f"{each}: {title_of(path)}", highlight=False, markup=False)
        return
    if (kind := kind_of(find(name))) in ("selection", "few-shot"):
        from fedsa.cli import measured_table

        if alone:
            raise RunError(f"--alone is for tables of runs; '{name}' has none: leave it out.")
        more = overrides or []
        _show(measured_table.make(kind, name, find(name), out, seeds, only, more, show, keep))
        return
    from fedsa.cli.many import numbers
    from fedsa.tables.making import Making

    chosen = load(find(name), overrides or [])
    changes = [part for change in overrides or [] for part in ("--set", change)]
    wanted = seeds or chosen.options.seeds
    command = shlex.join(["fedsa", "table", name, "--seeds", wanted, *changes])
    making = Making(chosen, numbers(wanted), out, command, alone)
    failed: list[str] = []
    if not any(_named(cell, only) for cell in chosen.cells):
        names = "; ".join(cell.name for cell in chosen.cells[:3])
        raise RunError(
            f"No cell's name matches --only '{only}': a name is the settings in the order of the "
            f"axes, such as {names}."
        )
    if not show:
        failed = _run(making, only, keep)
    _show(making.write())
    if failed:
        raise RunError(f"{len(failed)} runs failed: {'; '.join(failed)}.")


def _named(cell: Cell, only: str) -> bool:
    return fnmatch(cell.name.lower(), f"*{only.lower()}*")


def _show(page: Path) -> None:
    """Print a table's page, and where it is."""
    console.print(page.read_text("utf-8"), highlight=False, markup=False, soft_wrap=True)
    console.print(f"written: {page}, {page.with_suffix('.json')}", highlight=False)


def _check(todo: list[tuple[Cell, Scenario]]) -> None:
    """Refuse a table before anything runs if a cell names what there is not."""
    from fedsa.cli.checks import check_plugins

    unlike = {_names(scenario): (cell, scenario) for cell, scenario in reversed(todo)}
    faults: dict[str, str] = {}
    with console.status("looking up what the cells name"):
        for cell, scenario in reversed(unlike.values()):
            try:
                check_plugins(scenario)
            except FedsaError as error:
                for line in str(error).splitlines():
                    faults.setdefault(line, f"cell '{cell.name}': {line}")
    if faults:
        raise ScenarioError(list(faults.values()))


def _names(scenario: Scenario) -> str:
    """Return what of a scenario has to be looked up; many cells of a table have it in common."""
    every = {(teacher.model, teacher.data, teacher.file) for teacher in scenario.teachers}
    own = (scenario.strategy, scenario.selection, scenario.fusion, scenario.saliency.method)
    return repr(
        (
            *own,
            scenario.baselines,
            scenario.student.model,
            scenario.task.data,
            sorted(every, key=repr),
        )
    )


def _run(making: Making, only: str, keep: bool) -> list[str]:
    """Run what is missing, one after the other; return what failed, with its reason."""
    from fedsa.cli.many import run_one

    todo = [(cell, scenario) for cell, scenario in making.missing(keep) if _named(cell, only)]
    _check([(cell, making.to_run(scenario)) for cell, scenario in todo])
    whole, failed, begin = making.total, [], time.monotonic()
    for place, (cell, scenario) in enumerate(todo):
        gone = time.monotonic() - begin
        left = (
            f", about {timedelta(seconds=round(gone / place * (len(todo) - place)))} left"
            if place
            else ""
        )
        console.print(
            f"[{place + 1}/{len(todo)} to run, {whole} in all{left}] {cell.name}: "
            f"{scenario.strategy}, seed {scenario.seed}",
            highlight=False,
            markup=False,
        )
        try:
            folder = run_one(making.to_run(scenario), making.folder(cell, scenario), console)
        except FedsaError as error:
            failed.append(f"{cell.name}, {scenario.strategy}, seed {scenario.seed}: {error}")
            console.print(f"  failed: {error}", highlight=False, markup=False)
            continue
        making.keep(scenario, folder)
        making.write()
    return failed
