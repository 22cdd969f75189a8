"""What was measured, one file a run, so that a table can be gone on with at any time."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsa.errors import RunError
from fedsa.runs.finished import Run
from fedsa.scenario import Scenario
from fedsa.tables.cells import key

Record = dict[str, Any]
_FIGURES = ("metrics", "harmful", "seconds", "queries", "bytes")
_HEADS = "heads"  # only in the results of tasks that have several


@dataclass(frozen=True)
class Store:
    """The results in a folder, over those of a table that was published before.

    Parameters
    ----------
    folder : Path
        Holds ``<key>.json`` for each run.
    published : Path | None
        A table's JSON file whose results count where the folder has none.
    """

    folder: Path
    published: Path | None = None

    def all(self) -> dict[str, Record]:
        """Return every result by its key.

        Raises
        ------
        RunError
            If a file cannot be read.
        """
        found: dict[str, Record] = {}
        if self.published is not None and self.published.is_file():
            document = _read(self.published)
            # Other results lie there too, of comparisons and benchmarks.
            if document.get("table") == self.published.stem:
                found |= {record["key"]: record for record in document["runs"]}
        for path in sorted(self.folder.glob("*.json")):
            found[path.stem] = _read(path)
        return found

    def put(self, scenario: Scenario, run: Run, made: Mapping[str, Any]) -> None:
        """Keep a run's result with ``made``: what it was made with."""
        self.keep(
            {
                "key": key(scenario),
                "scenario": scenario.name,
                "strategy": scenario.strategy,
                "seed": scenario.seed,
                **{name: getattr(run, name) for name in _FIGURES},
                **({_HEADS: run.heads} if run.heads else {}),
                **made,
            }
        )

    def keep(self, record: Record) -> None:
        """Keep a result under its ``key``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        put_json(self.folder / f"{record['key']}.json", record)


def put_json(path: Path, document: Any) -> None:
    """Write JSON whole or not at all; see :func:`put_text`."""
    put_text(path, json.dumps(document, indent=1) + "\n")


def put_text(path: Path, text: str) -> None:
    """Write a file whole or not at all, also where another process writes the same one.

    A run's folder has one writer, and needs no more than :func:`fedsa.runs.folder.write_json`.
    """
    aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def run_of(record: Record, folder: Path = Path()) -> Run:
    """Return a kept result as a comparison takes it."""
    return Run(
        folder=folder,
        scenario=record["scenario"],
        strategy=record["strategy"],
        seed=record["seed"],
        status="finished",
        setting={},
        heads=record.get(_HEADS, {}),
        **{name: record[name] for name in _FIGURES},
    )


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"The result '{path}' cannot be read ({error}): remove it.") from None
