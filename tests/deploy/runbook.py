"""The command blocks of the runbooks, which the tests run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import fedsa

CHECKOUT = Path(fedsa.__file__).resolve().parent.parent
_BLOCK = re.compile(r"<!-- (run: )?([a-z-]+) -->\n```bash\n(.*?)```", re.DOTALL)
_VARIABLE = re.compile(r"^export ([A-Z_]+)=", re.MULTILINE)


def blocks(page: str) -> dict[str, str]:
    """Return the marked blocks of ``docs/PAGE.md`` by their names."""
    text = (CHECKOUT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for _, name, block in _BLOCK.findall(text):
        assert name not in found, f"two blocks of {page}.md are called {name}"
        found[name] = block
    return found


def settings(page: str) -> set[str]:
    """Return the variables that a page tells its reader to set."""
    return set(_VARIABLE.findall(blocks(page)["settings"]))
