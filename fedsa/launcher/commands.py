"""Flower's own commands, found beside this interpreter and read by their JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedsa.errors import RunError

QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    # Without this every run would install a second set of dependencies.
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "PYTHONUNBUFFERED": "1",
}


def script(name: str) -> str:
    """Return the path of a console script of this very environment.

    Raises
    ------
    RunError
        If there is none.
    """
    beside = Path(sysconfig.get_path("scripts")) / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise RunError(
            f"The command '{name}' is not installed beside {sys.executable}: "
            "install Flower with pip install 'flwr[simulation]'."
        )
    return found


def flwr(*arguments: str, environment: Mapping[str, str], cwd: Path, log: Path) -> dict[str, Any]:
    """Run ``flwr`` and return the JSON that it prints.

    Where it prints none, the document holds ``success`` false and its last line as
    ``error-message``; what it writes on standard error goes to ``log``.
    """
    done = subprocess.run(
        [script("flwr"), *arguments],
        env=dict(environment),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    with log.open("a", encoding="utf-8") as file:
        file.write(done.stderr)
    try:
        found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    except ValueError:
        lines = (done.stdout + done.stderr).strip().splitlines()
        return {"success": False, "error-message": lines[-1] if lines else "no output"}
    return found


def settings(run_config: Mapping[str, str | int]) -> str:
    """Return a run config as ``flwr run -c`` takes it."""
    return " ".join(f"{key}={json.dumps(value)}" for key, value in run_config.items())


def run_id(found: Mapping[str, Any], log: Path) -> int:
    """Return the id in what ``flwr run`` printed.

    Raises
    ------
    RunError
        If Flower refused the run; the sentence holds Flower's own last line.
    """
    if not found.get("success") or "run-id" not in found:
        raise RunError(
            f"Flower did not take the run: {found.get('error-message', found)} (see {log})."
        )
    return int(found["run-id"])
