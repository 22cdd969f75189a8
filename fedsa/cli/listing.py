"""Lists for people: strategies, datasets and the keys of a scenario."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fedsa.cli.checks import strategies as recipes
from fedsa.data import catalogue
from fedsa.errors import PluginError
from fedsa.scenario import Scenario


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


def keys(console: Console) -> None:
    """Print every key of a scenario with its default, and what the code says of it."""
    table = Table(box=None, pad_edge=False)
    table.add_column("key", style="bold", no_wrap=True)
    table.add_column("default", overflow="fold")
    table.add_column("meaning")
    for key, default, meaning in sorted(every_key(Scenario), key=lambda row: "." in row[0]):
        table.add_row(escape(key), escape(default), escape(meaning))
    console.print(table)
    _note(
        console,
        "In a file:  [task] and below it label-share = 0.05; on the command line:",
        "            --set task.label-share=0.05. docs/scenario.md tells more of each.",
    )


def every_key(options: type[BaseModel], section: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield each key of some options and of those within: its name, default and meaning."""
    told = _told(options)
    for name, field in options.model_fields.items():
        key = f"{section}{field.alias or name}"
        parts = get_args(field.annotation) or (field.annotation,)
        inner = [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
        if inner and type(None) not in parts:
            yield from every_key(inner[0], f"{key}.")
            continue
        default = field.get_default(call_default_factory=True)
        shown = "required" if field.is_required() else json.dumps(default, default=list)
        yield key, shown, told.get(name, "")


def _told(options: type[BaseModel]) -> dict[str, str]:
    """Return the first sentence of what stands below each attribute in the code."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(options))).body
    found, name = {}, ""
    for line in body.body if isinstance(body, ast.ClassDef) else []:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            name = line.target.id
        elif name and isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant):
            text = re.sub(r":\w+:(?=`)|`", "", " ".join(str(line.value.value).split()))
            found[name] = f"{text.partition('. ')[0].rstrip('.')}."
        else:
            name = ""
    return found


def _note(console: Console, *lines: str) -> None:
    console.print("\n" + "\n".join(lines), highlight=False, markup=False, soft_wrap=True)
