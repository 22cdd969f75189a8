"""The part of an app's folder that its bundle is made of, set apart for Flower.

Flower looks at every file below an app's folder before it leaves most of them out. In a checkout
these are tens of thousands, of virtual environments above all, and cost seconds at each start.
"""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_ALWAYS = ("pyproject.toml", ".gitignore", "LICENSE", "README.md")
_WILD = "*?[]!\\"


@contextmanager
def staged(app: Path) -> Iterator[Path]:
    """Give a folder, for the time of the block, whose bundle is that of ``app`` to the byte.

    Parameters
    ----------
    app : Path
        The app's folder. If its ``fab-include`` does not name the folders that count, or there is
        no such list, it is given as it is.
    """
    tops = _tops(app)
    if tops is None:
        yield app
        return
    with tempfile.TemporaryDirectory(prefix="fedsa-app-") as place:
        target = Path(place) / app.name
        target.mkdir()
        for name in tops:
            source = app / name
            if source.is_symlink():
                continue  # Flower takes none either
            if source.is_dir():
                unwanted = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, target / name, symlinks=True, ignore=unwanted)
            elif source.is_file():
                shutil.copyfile(source, target / name)
        yield target


def _tops(app: Path) -> set[str] | None:
    """Return the entries of the folder that may go into the bundle; None if it may be any."""
    try:
        with (app / "pyproject.toml").open("rb") as stream:
            patterns: Sequence[str] = tomllib.load(stream)["tool"]["flwr"]["app"]["fab-include"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # Flower says what is wrong with it
    tops = set(_ALWAYS)
    for pattern in patterns:
        top, slash, _ = str(pattern).removeprefix("/").partition("/")
        anywhere = not slash and not str(pattern).startswith("/")
        if anywhere or not top or set(top) & set(_WILD):
            return None
        tops.add(top)
    return tops
