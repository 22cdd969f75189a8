"""``fedsa table`` for what is measured in this process, not run: selection and few-shot tables."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol

from rich.markup import escape

from fedsa.cli.commands import console
from fedsa.cli.many import numbers
from fedsa.errors import RunError


class Making(Protocol):
    """What both kinds of tables have in common: cells of a kind and a seed."""

    def every(self) -> list[tuple[str, int]]:
        """Return kind and seed of each cell, measured or not."""

    def missing(self, keep: bool = False) -> Iterator[tuple[str, int]]:
        """Yield kind and seed of what has no result."""

    def make(self, todo: Sequence[tuple[str, int]], progress: Callable[[str], None]) -> None:
        """Measure cells and keep them."""

    def write(self) -> Path:
        """Write the table as it stands and return its page."""


def make(
    kind: str,
    name: str,
    path: Path,
    out: Path,
    seeds: str | None,
    only: str,
    overrides: list[str],
    show: bool,
    keep: bool,
) -> Path:
    """Measure the cells that are missing, and return the page; see :func:`fedsa.cli.table.table`.

    A cell's name is its kind, or its setting, and its seed, as in ``truth, seed 0``.
    """
    begin: Callable[..., Making]
    chosen: Any
    if kind == "selection":
        from fedsa.tables.selection.definition import load
        from fedsa.tables.selection.making import Making as Selection

        chosen, begin = load(path, overrides), Selection
    else:
        from fedsa.tables.few_shot.definition import load as load_few_shot
        from fedsa.tables.few_shot.making import Making as FewShot

        chosen, begin = load_few_shot(path, overrides), FewShot
    wanted = seeds or chosen.options.seeds
    changes = [part for change in overrides for part in ("--set", change)]
    command = shlex.join(["fedsa", "table", name, "--seeds", wanted, *changes])
    making = begin(chosen, numbers(wanted), out, command)
    if not show:

        def named(cell: tuple[str, int]) -> bool:
            return fnmatch("{}, seed {}".format(*cell).lower(), f"*{only.lower()}*")

        if not any(map(named, making.every())):
            what, seed = making.every()[0]
            raise RunError(
                f"No cell's name matches --only '{only}': a name is such as '{what}, seed {seed}'."
            )
        todo = list(filter(named, making.missing(keep)))
        console.print(f"{len(todo)} cells to measure", highlight=False)
        if console.is_terminal:
            with console.status("") as status:
                making.make(todo, lambda told: status.update(escape(told)))
        else:  # a file has lines
            making.make(todo, lambda told: console.print(told, highlight=False, markup=False))
    return making.write()
