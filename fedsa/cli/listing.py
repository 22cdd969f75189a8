"""Lists for people: strategies and datasets."""

from __future__ import annotations

import importlib
import inspect

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fedsa.cli.checks import strategies as recipes
from fedsa.data import catalogue
from fedsa.errors import PluginError


def strategies(console: Console) -> None:
    """Print every strategy with what it does."""
    registry = recipes()
    table = Table(box=None, pad_edge=False)
    table.add_column("strategy", style="bold")
    table.add_column("what it does")
    for name in registry.names():
        try:
            recipe = registry.get(name)
        except PluginError as error:  # somebody's broken package must not hide the others
            table.add_row(escape(name), f"[red]{escape(str(error))}[/]")
            continue
        module = importlib.import_module(recipe.__module__)
        text = inspect.getdoc(module) or inspect.getdoc(recipe) or ""
        table.add_row(escape(name), escape(text.splitlines()[0] if text else ""))
    console.print(table)
    _note(
        console,
        "Run one:   fedsa simulate quickstart --set strategy=stacking",
        "Your own:  --set strategy=my_module:my_recipe, or an entry point of an installed",
        "           package in the group 'fedsa.strategy'; it is called with (problem,",
        "           scenario, wiring) and returns a fedsa.strategy.Amalgamation.",
    )


def data(console: Console) -> None:
    """Print every dataset with where it is or how to get it."""
    table = Table(box=None, pad_edge=False)
    table.add_column("dataset", style="bold", no_wrap=True)
    for column in ("items", "classes", "licence"):
        table.add_column(column)
    table.add_column("where", overflow="fold")
    for entry in catalogue():
        shown = (entry.name, entry.items, entry.classes, entry.licence, entry.where)
        table.add_row(*map(escape, shown))
    console.print(table)
    _note(
        console,
        "Your own:  the path of an .npz file (arrays inputs and labels), of a folder with",
        "           train/CLASS/*.png in it, or 'module:attribute' of a function that",
        "           returns a fedsa.data.Dataset; as in --set task.data=my.npz",
        "           Items without a label: label -1, or the folder unlabelled/.",
    )


def _note(console: Console, *lines: str) -> None:
    console.print("\n" + "\n".join(lines), highlight=False, markup=False, soft_wrap=True)
