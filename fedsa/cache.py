"""The folder for what can be made again."""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """Return the folder for what can be made again: ``$FEDSA_CACHE``, or ``~/.cache/fedsa``."""
    return Path(os.environ.get("FEDSA_CACHE") or Path.home() / ".cache" / "fedsa")
