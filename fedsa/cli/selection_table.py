"""``fedsa table`` for tables of selection: cells are measured in this process, not run."""

from __future__ import annotations

import shlex
from fnmatch import fnmatch
from pathlib import Path

from fedsa.cli.commands import console
from fedsa.cli.many import numbers


def make(
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

    A cell's name is its kind and its seed, as in ``truth, seed 0``.
    """
    from fedsa.tables.selection.definition import load
    from fedsa.tables.selection.making import Making

    chosen = load(path, overrides)
    wanted = seeds or chosen.options.seeds
    changes = [part for change in overrides for part in ("--set", change)]
    command = shlex.join(["fedsa", "table", name, "--seeds", wanted, *changes])
    making = Making(chosen, numbers(wanted), out, command)
    if not show:
        todo = [
            (kind, seed)
            for kind, seed in making.missing(keep)
            if fnmatch(f"{kind}, seed {seed}", f"*{only.lower()}*")
        ]
        console.print(f"{len(todo)} cells to measure", highlight=False)
        with console.status("") as status:
            making.make(todo, status.update)
    return making.write()
