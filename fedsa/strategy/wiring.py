"""What a run lends to its strategy: a folder, an observer, a measure."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn


def _silent(event: str, **fields: object) -> None:
    pass


def _temporary() -> Path:
    """Make a folder that goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix="fedsa-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@dataclass(frozen=True)
class Wiring:
    """Where a strategy keeps things and whom it tells.

    Parameters
    ----------
    folder : Path
        For answers and checkpoints; one that is gone when the process ends, unless given.
    observe : Callable[..., None]
        Called as ``observe(event, **fields)`` on everything worth telling.
    evaluate : Callable[[nn.Module], float] | None
        Measures a round's student, for the record only: nothing is chosen by it.
    """

    folder: Path = field(default_factory=_temporary)
    observe: Callable[..., None] = _silent
    evaluate: Callable[[nn.Module], float] | None = None
