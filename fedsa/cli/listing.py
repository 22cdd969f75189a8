"""Lists for people: strategies and datasets."""

from __future__ import annotations

import importlib
import inspect

from rich.console import Console
from rich.table import Table

from fedsa.cli.checks import strategies as recipes
from fedsa.data import catalogue


def strategies(console: Console) -> None:
    """Print every strategy with what it does."""
    registry = recipes()
    table = Table(box=None, pad_edge=False)
    table.add_column("strategy", style="bold")
    table.add_column("what it does")
    for name in registry.names():
        recipe = registry.get(name)
        module = importlib.import_module(recipe.__module__)
        text = inspect.getdoc(module) or inspect.getdoc(recipe) or ""
        table.add_row(name, text.splitlines()[0] if text else "")
    console.print(table)
    console.print(
        "\nRun one:   fedsa simulate quickstart --set strategy=stacking\n"
        "Your own:  --set strategy=my_module:my_recipe, or an entry point in the group "
        "'fedsa.strategy';\n           it is called with (problem, scenario, wiring) and returns "
        "an Amalgamation.",
        highlight=False, markup=False,
    )


def data(console: Console) -> None:
    """Print every dataset with where it is or how to get it."""
    table = Table(box=None, pad_edge=False)
    for column in ("dataset", "items", "classes", "licence", "where"):
        table.add_column(column, style="bold" if column == "dataset" else None)
    for entry in catalogue():
        table.add_row(*(str(value) for value in entry))
    console.print(table)
    console.print(
        "\nYour own:  the path of an .npz file (inputs, labels) or of a folder with one folder of "
        "images a class,\n           or 'module:attribute' of a function that returns a "
        "fedsa.data.dataset.Dataset.",
        highlight=False, markup=False,
    )
