"""The coordinator's side of ``fedsa deploy check``: a short run of the same app that only looks."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from fedsa.app_folder import app_folder
from fedsa.deploy.look import RESULT
from fedsa.errors import RunError
from fedsa.launcher.federation import Federation
from fedsa.launcher.following import UNREACHABLE
from fedsa.runs.folder import write_json
from fedsa.scenario import Scenario

_POLL, _ASK_FLOWER = 0.25, 5.0
LONGEST = 240.0
"""Seconds for the whole check; each node has less."""


def ask(name: str, scenario: Scenario | None, keep: Path | None = None) -> dict[str, Any]:
    """Return what the federation's nodes say of themselves, and what is wrong.

    Parameters
    ----------
    name : str
        The SuperLink's connection.
    scenario : Scenario | None
        What is to be run, if that is known.
    keep : Path | None
        Folder in which ``check.json`` shall stay.

    Raises
    ------
    RunError
        If the SuperLink does not take the run, or the run fails.
    """
    folder = Path(tempfile.mkdtemp(prefix="fedsa-check-")).resolve()
    try:
        federation = Federation(name, folder)
        config: dict[str, str | int] = {"mode": "check", "run-dir": str(folder), "scenario": ""}
        if scenario is not None:
            write_json(folder / "config.json", {"scenario": scenario.document()})
            config["scenario"] = str(folder / "config.json")
        with federation.submitted(app_folder(), config) as run_id:
            found = _wait(federation, run_id, folder / RESULT)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            write_json(keep / RESULT, found)
        return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(federation: Federation, run_id: int, result: Path) -> dict[str, Any]:
    asked, deadline = time.monotonic(), time.monotonic() + LONGEST
    while not result.exists():
        time.sleep(_POLL)
        if time.monotonic() > deadline:
            raise RunError(
                f"The check had no result within {LONGEST:.0f} s: another run may be under way "
                "(flwr ls), or the SuperLink cannot start its own processes (see its log)."
            )
        if time.monotonic() - asked < _ASK_FLOWER:
            continue
        asked, status = time.monotonic(), federation.status(run_id)
        if status == UNREACHABLE or (status.startswith("finished") and not result.exists()):
            raise RunError(
                f"The check ended without a result ({status}): see the SuperLink's log, and that "
                "it runs on a machine that reaches this one's files."
            )
    found: dict[str, Any] = json.loads(result.read_text("utf-8"))
    if "error" in found:
        error = RunError(found["error"])
        error.exit_code = int(found["exit-code"])
        raise error
    return found
