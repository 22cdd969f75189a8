"""The Flower App beside the library: where its folders are, and how to write them out."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fedsa.errors import RunError

FOLDERS = ("clients", "server", "strategies")


def app_root() -> Path:
    """Return the folder that holds ``clients/``, ``server/``, ``strategies/``, ``simulations/``.

    In a wheel these travel as data in ``fedsa/_app``; in a checkout they lie beside the library.

    Raises
    ------
    RunError
        If neither is there, as when the library was copied by itself.
    """
    library = Path(__file__).resolve().parent
    for root in (library / "_app", library.parent):
        if (root / "clients" / "app.py").is_file():
            return root
    raise RunError(
        f"The app folders (clients, server, strategies) are neither in '{library / '_app'}' nor "
        f"in '{library.parent}': install fedsa with pip, or work in a checkout."
    )


def app_folder() -> Path:
    """Return the app to run: the one in the current folder if there is one, else fedsa's own."""
    here = Path.cwd()
    if (here / "server" / "app.py").is_file() and (here / "pyproject.toml").is_file():
        return here
    return app_root()


def builtin_scenario(name: str) -> Path:
    """Return the path of the scenario that comes with fedsa under this name.

    Raises
    ------
    RunError
        If there is none of that name; the sentence lists those that there are.
    """
    folder = app_root() / "simulations"
    known = {path.stem: path for path in sorted(folder.glob("*.toml"))}
    if name not in known:
        raise RunError(
            f"No scenario called '{name}' comes with fedsa: use one of {', '.join(known) or '-'}, "
            "or give the path of a scenario file."
        )
    return known[name]


def write_app(target: Path) -> Path:
    """Write a ready Flower App into a new or empty folder.

    The app is the code that this fedsa itself runs, with a ``pyproject.toml`` of its own that
    asks for this version of the library instead of building it.

    Returns
    -------
    Path
        The folder, absolute.

    Raises
    ------
    RunError
        If the folder is not empty, its name is none that Flower takes, or it cannot be written.
    """
    target = target.expanduser().resolve()
    root = app_root()
    name = target.name
    if not (name[:1].isalpha() and name.isascii() and name.replace("-", "").isalnum()):
        raise RunError(
            f"'{name}' cannot be the name of a Flower App folder: begin with a letter, and use "
            "letters, digits and hyphens only."
        )
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise RunError(f"'{target}' is not an empty folder: choose a new name, or empty it.")
        for source in _files(root):
            copy = target / source.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
        with (root / "pyproject.toml").open("rb") as stream:
            project = _project(name, tomllib.load(stream))
        (target / "pyproject.toml").write_text(project, encoding="utf-8")
        (target / "README.md").write_text(_README.format(name=name), encoding="utf-8")
        (target / ".gitignore").write_text("__pycache__/\n/runs/\n*.fab\n", encoding="utf-8")
    except OSError as error:
        raise RunError(f"The app cannot be written to '{target}': {error.strerror}.") from None
    return target


def _files(root: Path) -> Iterator[Path]:
    yield root / "LICENSE"
    yield from sorted((root / "simulations").glob("*.toml"))
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _project(name: str, library: Mapping[str, Any]) -> str:
    """Derive the app's ``pyproject.toml`` from the library's, so that they cannot drift apart."""
    app = library["tool"]["flwr"]["app"]
    version = library["project"]["version"]
    tables = {
        "project": {
            "name": name,
            "version": version,
            "description": "A Flower App: train a student from private teachers' answers.",
            "license": library["project"]["license"],
            "requires-python": library["project"]["requires-python"],
            "dependencies": [f"fedsa=={version}"],
        },
        "tool.flwr.app": {"publisher": app["publisher"], "fab-include": app["fab-include"]},
        "tool.flwr.app.components": app["components"],
        "tool.flwr.app.config": app["config"],
    }
    lines = []
    for table, values in tables.items():
        lines.append(f"[{table}]")
        # Strings, numbers, booleans and lists of strings are spelled alike in JSON and TOML.
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        lines.append("")
    return "\n".join(lines)


_README = """\
# {name}

A Flower App that trains a student for a new task from private teachers' answers alone (fedsa).

- `fedsa simulate simulations/quickstart.toml` runs it on this machine, with progress and a report.
- `flwr run .` runs the same app under Flower; its settings are in `pyproject.toml`.
- `clients/` is what an institution deploys, `server/` what a coordinator deploys, `strategies/`
  the recipes; edit `simulations/*.toml` for your own task and teachers.
"""
