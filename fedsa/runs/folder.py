"""The run folder: what a run leaves behind, and the account of what happened in it."""

from __future__ import annotations

import json
import os
import platform
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fedsa.errors import FedsaError, ResumeError, RunError
from fedsa.runs.room import full, is_full
from fedsa.scenario import Scenario

PACKAGES = ("fedsa", "flwr", "ray", "torch", "numpy", "captum", "scikit-learn")

_OF_A_PART = {"baseline", "failure", "error"}
"""Events without a round that only a started run tells."""


class RunFolder:
    """One run's folder.

    Parameters
    ----------
    path : Path
        The folder; :meth:`create` makes one, :meth:`reopen` takes up an old one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, scenario: Scenario) -> RunFolder:
        """Make a run folder and write the validated config into it.

        Raises
        ------
        RunError
            If the folder holds a run already, or cannot be written.
        """
        if (path / "config.json").exists():
            raise RunError(
                f"'{path}' holds a run already: choose another folder with --out, or go on with "
                f"it by --resume {path}."
            )
        config = {"scenario": scenario.document(), "versions": versions()}
        try:
            path.mkdir(parents=True, exist_ok=True)
            write_json(path / "config.json", config)
        except OSError as error:
            raise RunError(
                f"The run folder '{path}' cannot be written ({error.strerror or error}): make "
                "room, or choose another folder with --out."
            ) from None
        return cls(path)

    @classmethod
    def reopen(cls, path: Path, scenario: Scenario | None = None) -> RunFolder:
        """Take up an old run folder.

        Parameters
        ----------
        path : Path
            The folder.
        scenario : Scenario | None
            If given, it must be the one that the run began with.

        Raises
        ------
        ResumeError
            If there is no run, or the scenario differs; the sentence names what changed.
        """
        folder = cls(path)
        begun = folder.config()["scenario"]
        if scenario is not None:
            changed = _differences(begun, json.loads(json.dumps(scenario.document())))
            if changed:
                raise ResumeError(
                    f"The run in '{path}' was begun with another config: {'; '.join(changed)}. "
                    f"Go on with the old config by 'fedsa simulate --resume {path}' alone, or "
                    "start a new run."
                )
        return folder

    def config(self) -> dict[str, Any]:
        """Return the config that the run began with."""
        try:
            found: dict[str, Any] = json.loads((self.path / "config.json").read_text("utf-8"))
        except (OSError, ValueError):
            raise ResumeError(
                f"'{self.path}' is not a run folder (no readable config.json): check the path."
            ) from None
        return found

    def emit(self, event: str, **fields: Any) -> None:
        """Append one event to ``events.jsonl``."""
        line = json.dumps({"time": round(time.time(), 3), "event": event, **fields}, default=float)
        with (self.path / "events.jsonl").open("ab+") as file:
            # A kill, or a full disk, may have cut the last line short.
            if file.seek(0, os.SEEK_END) and file.seek(-1, os.SEEK_END) and file.read() != b"\n":
                line = "\n" + line
            file.write((line + "\n").encode())

    @contextmanager
    def telling(self) -> Iterator[None]:
        """End ``events.jsonl`` with the cause if the block raises, whatever it raises."""
        try:
            yield
        except Exception as error:
            code = error.exit_code if isinstance(error, FedsaError) else RunError.exit_code
            with suppress(OSError):  # a full disk takes no more lines
                self.emit("error", sentence=self._sentence(error), exit_code=code)
                if not isinstance(error, FedsaError | OSError):
                    (self.path / "traceback.txt").write_text(traceback.format_exc(), "utf-8")
            raise

    def _sentence(self, error: Exception) -> str:
        if isinstance(error, FedsaError):
            return str(error)
        if is_full(self.path, error):
            return full(self.path)
        if isinstance(error, OSError):
            where = error.filename or self.path
            return f"'{where}' cannot be read or written ({error.strerror or error})."
        text = " ".join(str(error).split())
        return (
            f"The run failed with {type(error).__name__}: {text or 'no more is known'}; "
            f"'{self.path / 'traceback.txt'}' has more. What was "
            f"done is kept: mend the cause and go on with --resume {self.path}."
        )

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end."""
        return bool(self.events("finished")) and (self.path / "summary.json").is_file()

    def summary(self) -> dict[str, Any]:
        """Return ``summary.json``.

        Raises
        ------
        RunError
            If there is none, as long as the run has no result.
        """
        try:
            found: dict[str, Any] = json.loads((self.path / "summary.json").read_text("utf-8"))
        except (OSError, ValueError):
            raise RunError(
                f"The run in '{self.path}' has no summary yet: go on with it by --resume "
                f"{self.path}."
            ) from None
        return found

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the events so far, of one kind if given; a torn last line is left out."""
        path = self.path / "events.jsonl"
        found = []
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if kind is None or event.get("event") == kind:
                found.append(event)
        return found

    def elapsed(self) -> float:
        """Return the seconds that the run's earlier parts took, each to the last that it told.

        What comes before a part's start, such as the training of private teachers, is of no part.
        """
        total, begin, end = 0.0, 0.0, 0.0
        for event in self.events():
            if event.get("event") == "started":
                total += end - begin
                begin = end = event["time"]
            elif event.get("event") in _OF_A_PART or "round" in event:
                end = max(end, event["time"])
        return total + end - begin


def write_json(path: Path, document: Any) -> None:
    """Write JSON whole or not at all."""
    aside = path.with_suffix(path.suffix + ".tmp")
    aside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    aside.replace(path)


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def _differences(before: Any, after: Any, where: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for key in sorted({*before, *after}):
            path = f"{where}.{key}" if where else key
            found += _differences(before.get(key), after.get(key), path)
        return found
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = zip(before, after, strict=True)
        return [
            d for i, (b, a) in enumerate(pairs) for d in _differences(b, a, f"{where}[{i + 1}]")
        ]
    if before == after:
        return []
    if isinstance(before, list | dict) or isinstance(after, list | dict):
        return [f"{where} differs"]
    return [f"{where} was {before!r} and is now {after!r}"]
