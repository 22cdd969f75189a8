"""Build step: the Flower App's folders travel in the wheel as data, under ``fedsa/_app/``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TRAVELS = (
    "pyproject.toml",
    "LICENSE",
    "clients/**/*",
    "server/**/*",
    "strategies/**/*",
    "simulations/*.py",
    "simulations/*.toml",
    "simulations/*.md",
    "simulations/tables/*.toml",
)


class AppFolders(BuildHookInterface[Any]):
    """Adds the app's files to a wheel; an editable install finds them in the checkout."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Tell the builder where each of the app's files goes."""
        if self.target_name != "wheel" or version == "editable":
            return
        root = Path(self.root)
        for pattern in TRAVELS:
            for path in sorted(root.glob(pattern)):
                inside = path.relative_to(root)
                if path.is_file() and "__pycache__" not in inside.parts:
                    build_data["force_include"][str(path)] = f"fedsa/_app/{inside.as_posix()}"
