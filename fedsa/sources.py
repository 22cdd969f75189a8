"""What code a figure was made with: a digest of the library's sources."""

from __future__ import annotations

import ast
import hashlib
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from fedsa.app_folder import FOLDERS, app_folder


@cache
def sources(apart: tuple[str, ...] = (), all_the_same: tuple[str, ...] = ()) -> str:
    """Return 64 hex digits that change with what the library's code does.

    Parameters
    ----------
    apart : tuple[str, ...]
        Beginnings of paths in the library that are left out.
    all_the_same : tuple[str, ...]
        Beginnings of those that are not left out after all.
    """
    library, app = Path(__file__).resolve().parent, app_folder()
    found = hashlib.sha256()
    for path in sorted(library.rglob("*.py")):
        name = path.relative_to(library).as_posix()
        if not name.startswith(apart) or (all_the_same and name.startswith(all_the_same)):
            found.update(f"{name} {_meaning_of(path)}\n".encode())
    for folder in FOLDERS:
        for path in sorted((app / folder).rglob("*.py")):
            found.update(f"{path.relative_to(app).as_posix()} {_meaning_of(path)}\n".encode())
    return found.hexdigest()


@cache
def parts(*beginnings: str) -> str:
    """Return 64 hex digits that change with the library's files whose paths begin like this."""
    library = Path(__file__).resolve().parent
    found = hashlib.sha256()
    for path in sorted(library.rglob("*.py")):
        name = path.relative_to(library).as_posix()
        if name.startswith(beginnings):
            found.update(f"{name} {_meaning_of(path)}\n".encode())
    return found.hexdigest()


def code_of(module: str) -> str:
    """Return a digest of a module's file, or of the whole package that it is of.

    Empty where there is no such file: whoever needs the module will say so.
    """
    top = module.partition(".")[0]
    loaded = sys.modules.get(top)
    try:
        spec = loaded.__spec__ if loaded is not None else find_spec(top)
    except (ImportError, ValueError):
        return ""
    if spec is None or not spec.has_location or spec.origin is None:
        return ""
    file = Path(spec.origin)
    files = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
    found = hashlib.sha256()
    for path in files:
        if path.suffix == ".py":
            found.update(f"{path.relative_to(file.parent).as_posix()} ".encode())
            found.update(path.read_bytes())
    return found.hexdigest()


@cache
def _meaning_of(path: Path) -> str:
    """Return a file's meaning; sets of parts that are left out share most files."""
    return meaning(path.read_text(encoding="utf-8"))


def meaning(source: str) -> str:
    """Return Python source without what does not run: comments, docstrings, layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                one
                for one in body
                if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
            ]
    return ast.dump(tree)
