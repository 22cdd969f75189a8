"""Where a run goes if nobody says where."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path

from fedsa.errors import RunError


def default_folder(name: str) -> Path:
    """Make a new, empty run folder under ``runs/`` and return it.

    Raises
    ------
    RunError
        If it cannot be made.
    """
    begun = time.strftime(f"{name}-%Y%m%d-%H%M%S")
    for number in count(1):
        path = Path("runs") / (begun if number == 1 else f"{begun}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue  # another run was started in the same second
        except OSError as error:
            raise RunError(
                f"The run folder '{path.absolute()}' cannot be made ({error.strerror}): choose "
                "another one with --out."
            ) from None
        break
    return path
