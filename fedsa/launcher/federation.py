"""``fedsa run``: the same app and run folder as a simulation, at institutions' nodes."""

from __future__ import annotations

import contextlib
import json
import os
import sysconfig
import time
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fedsa.app_folder import app_folder
from fedsa.bundling import staged
from fedsa.errors import RunError
from fedsa.launcher import commands
from fedsa.launcher.alone import alone
from fedsa.launcher.following import UNREACHABLE, follow
from fedsa.launcher.progress import Progress
from fedsa.runs.folder import RunFolder, write_json
from fedsa.runs.serving import is_served

_SUBMITTED = "federation.json"
_STOPPING = 20.0


class Federation:
    """A SuperLink that runs somewhere, by the name of its connection.

    Parameters
    ----------
    name : str
        As in ``[superlink.NAME]`` of Flower's ``config.toml``.
    folder : Path
        The run's folder, which the SuperLink's machine must reach under the same path.

    Raises
    ------
    RunError
        If there is no such connection.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.log = folder / "flower.log"
        home = Path(os.environ.get("FLWR_HOME") or Path.home() / ".flwr")
        _check_connection(home / "config.toml", name)
        self._served = False
        self.environment = {
            **os.environ,
            **commands.QUIET,
            "FLWR_HOME": str(home.absolute()),
            "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")]),
        }

    @contextlib.contextmanager
    def submitted(self, app: Path, run_config: Mapping[str, str | int]) -> Iterator[int]:
        """Submit the app and yield the run's id; stop the run if the block is left by an error.

        Raises
        ------
        RunError
            If Flower refuses it; the sentence holds Flower's own last line.
        """
        settings = commands.settings(run_config)
        with staged(app) as folder:
            found = self._flwr("run", str(folder), self.name, "--format", "json", "-c", settings)
        run_id = commands.run_id(found, self.log)
        note = self.folder / _SUBMITTED
        write_json(note, {"federation": self.name, "run-id": run_id})
        try:
            yield run_id
        except BaseException:
            self.stop(run_id)
            raise
        note.unlink(missing_ok=True)

    def stop_earlier(self) -> bool:
        """Stop the run that an earlier, killed command has left; return whether there was one."""
        note = self.folder / _SUBMITTED
        if not note.exists():
            return False
        before = json.loads(note.read_text("utf-8"))
        if before.get("federation") == self.name:
            self.stop(int(before["run-id"]))
        note.unlink(missing_ok=True)
        return True

    def stop(self, run_id: int) -> None:
        """Stop a run, and wait until its server's side has gone."""
        if not self.status(run_id).startswith("finished"):
            self._flwr("stop", str(run_id), self.name, "--format", "json")
        deadline = time.monotonic() + _STOPPING
        while is_served(self.folder) and time.monotonic() < deadline:
            time.sleep(0.2)

    def is_serving(self) -> bool | None:
        """Whether the process lives in which the server's side runs; None before it has begun.

        Flower itself tells of its death only after a minute.
        """
        if is_served(self.folder):
            self._served = True
            return None  # it lives, but Flower may know that the run was stopped
        return False if self._served else None

    def status(self, run_id: int) -> str:
        """Return the run's status in Flower's words, or ``unreachable``."""
        found = self._flwr("ls", self.name, "--run-id", str(run_id), "--format", "json")
        runs = found.get("runs") or []
        return str(runs[0].get("status", "unknown")) if runs else UNREACHABLE

    def _flwr(self, *arguments: str) -> dict[str, Any]:
        return commands.flwr(
            *arguments, environment=self.environment, cwd=self.folder, log=self.log
        )


def run(name: str, folder: RunFolder, progress: Progress, mode: str = "") -> dict[str, Any]:
    """Run a folder's scenario in a federation and return its summary.

    Parameters
    ----------
    name : str
        The SuperLink's connection.
    folder : RunFolder
        New, or that of an interrupted run, which is gone on with by a new run of Flower's.
    progress : Progress
        Told of everything as it happens.
    mode : str
        ``survey`` only asks; see :mod:`fedsa.runs.survey`.

    Raises
    ------
    FedsaError
        With the cause, if the run did not finish.
    """
    with alone(folder.path):
        if folder.is_finished:
            return folder.summary()
        federation = Federation(name, folder.path.resolve())
        if federation.stop_earlier():
            progress.say("stopped what an earlier, killed start had left running")
        seen = len(folder.events())
        config = {
            "scenario": str((folder.path / "config.json").resolve()),
            "run-dir": str(folder.path.resolve()),
            "mode": mode,
        }
        progress.phase(f"submitting the run to the federation '{name}'")
        with federation.submitted(app_folder(), config) as run_id:
            follow(federation, run_id, folder, seen, progress)
        return folder.summary()


def _check_connection(path: Path, name: str) -> None:
    try:
        known = tomllib.loads(path.read_text(encoding="utf-8")).get("superlink", {})
    except FileNotFoundError:
        known = {}
    except (OSError, ValueError) as error:
        raise RunError(f"Flower's settings '{path}' cannot be read: {error}.") from None
    names = sorted(key for key, value in known.items() if isinstance(value, dict))
    if name not in names:
        raise RunError(
            f"Flower's settings '{path}' have no connection [superlink.{name}]: add it with its "
            f"address and root-certificates; there are: {', '.join(names) or 'none'}."
        )
