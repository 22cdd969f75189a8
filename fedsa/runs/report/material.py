"""Reads a run folder for the report: whatever is there, however far the run came."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsa.errors import RunError
from fedsa.runs.finished import begun

Array = NDArray[Any]


@dataclass(frozen=True)
class Material:
    """What a run has written so far; parts that are missing are empty.

    Parameters
    ----------
    folder : Path
        The run folder.
    config : Mapping[str, Any]
        ``config.json``.
    events : tuple[Mapping[str, Any], ...]
        ``events.jsonl``, in order; a last line cut short by a kill is left out.
    summary : Mapping[str, Any]
        ``summary.json``; empty as long as the run is not finished.
    arrays : Mapping[str, Array]
        ``artefacts.npz``.
    """

    folder: Path
    config: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]
    summary: Mapping[str, Any]
    arrays: Mapping[str, Array]

    @property
    def scenario(self) -> Mapping[str, Any]:
        """The scenario's document."""
        found = self.config.get("scenario")
        return found if isinstance(found, dict) else {}

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the events of one kind, in order."""
        return [event for event in self.events if event.get("event") == kind]

    def per_round(self, kind: str) -> dict[int, Mapping[str, Any]]:
        """Return the last event of a kind for each round: a resumed run may repeat a round."""
        found = {int(event["round"]): event for event in self.of(kind) if "round" in event}
        return dict(sorted(found.items()))

    def teachers(self) -> list[Mapping[str, Any]]:
        """Return one record a teacher, sorted by id, from the summary or else from the events."""
        records: dict[str, Mapping[str, Any]] = {
            str(record["id"]): record for record in self.summary.get("teachers", [])
        }
        if not records:
            ids = {
                str(name)
                for event in self.of("selection")
                for part in ("weights", "scores")
                for name in event.get(part, {})
            }
            records = {name: {"id": name} for name in ids}
        return [records[name] for name in sorted(records)]


def read(folder: Path) -> Material:
    """Read a run folder.

    Raises
    ------
    RunError
        If the folder holds nothing that a run writes, or another program's ``config.json``.
    """
    names = ("config.json", "events.jsonl", "summary.json")
    if not any((folder / name).is_file() for name in names):
        raise RunError(
            f"'{folder}' is not a run folder: it has none of {', '.join(names)}; give the folder "
            "that 'fedsa simulate' printed."
        )
    if (folder / "config.json").is_file():  # a run that only just started may have none
        begun(folder)
    return Material(
        folder=folder,
        config=_document(folder / "config.json"),
        events=tuple(_lines(folder / "events.jsonl")),
        summary=_document(folder / "summary.json"),
        arrays=_arrays(folder / "artefacts.npz"),
    )


def _document(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunError(f"'{path}' cannot be read: {error}; restore it or remove it.") from None
    return found if isinstance(found, dict) else {}


def _lines(path: Path) -> list[Mapping[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"'{path}' cannot be read: {error.strerror}.") from None
    events: list[Mapping[str, Any]] = []
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:  # the line that was being written when the run was killed
            continue
        if isinstance(event, dict):
            events.append(event)
    return events


def _arrays(path: Path) -> Mapping[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return {}  # a report without pictures is better than none
