"""What is read of one run's folder: what it was begun with, and what a comparison needs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedsa.errors import ResumeError, RunError
from fedsa.runs.folder import RunFolder

ALIKE = ("task", "student", "teachers", "rounds")
"""Sections of a scenario that must be equal for two runs to be comparable."""
OF_A_RUN = ("seed", "baselines", "threads", "federation")
"""What may differ between the seeds of one strategy: all else is what is averaged over them."""


@dataclass(frozen=True)
class Run:
    """One run's results; costs and shares are None where they do not apply.

    Parameters
    ----------
    metrics : Mapping[str, float]
        Test metrics in [0, 1]: ``student`` and the baselines that were run.
    harmful : float | None
        Mean share of the weight on teachers that the pool notes as not relevant, over the rounds
        of the second half (those after round R/2 of R).
    setting : Mapping[str, Any]
        Those parts of the scenario that must be alike for a comparison.
    heads : Mapping[str, Mapping[str, float]]
        Of a task with several heads: the same metrics of each head, by method.
    options : Mapping[str, Any]
        Those parts that must be alike for an average over seeds of one strategy.
    """

    folder: Path
    scenario: str
    strategy: str
    seed: int
    status: str
    metrics: Mapping[str, float]
    harmful: float | None
    seconds: float | None
    queries: float | None
    bytes: float | None
    setting: Mapping[str, Any]
    heads: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes a run unique in a comparison."""
        return (self.scenario, self.strategy, self.seed)

    @property
    def finished(self) -> bool:
        """Whether the run ended as planned and has a result."""
        return self.status == "finished" and "student" in self.metrics


def begun(folder: Path) -> dict[str, Any]:
    """Return the scenario that the run in a folder was begun with, as plain data.

    Raises
    ------
    ResumeError
        If there is none: folders of other programs have a ``config.json``, too.
    """
    config: Any = RunFolder(folder).config()
    scenario = config.get("scenario") if isinstance(config, dict) else None
    if not isinstance(scenario, dict) or not scenario:
        raise ResumeError(
            f"'{folder}' is no run folder: its config.json names no scenario; check the path."
        )
    return scenario


def read_run(folder: Path) -> Run:
    """Read one run folder; a run without a summary counts as not finished.

    Raises
    ------
    RunError
        If the folder does not exist or its files do not have the form that a run gives them.
    """
    if not folder.is_dir():
        raise RunError(f"There is no run folder '{folder}': check the path.")
    summary = _document(folder / "summary.json")
    setting = _document(folder / "config.json").get("scenario") or {}
    try:
        cost = summary.get("bytes") or {}
        metrics, seconds = summary.get("metrics") or {}, summary.get("seconds") or {}
        return Run(
            folder=folder,
            scenario=str(summary.get("scenario", setting.get("name", folder.name))),
            strategy=str(summary.get("strategy", setting.get("strategy", ""))),
            seed=int(summary.get("seed", setting.get("seed", 0))),
            status=str(summary.get("status", "no summary.json")),
            metrics={name: _finite(value) for name, value in metrics.items() if value is not None},
            harmful=harmful_share(summary) if summary else None,
            seconds=None if (total := seconds.get("total")) is None else _finite(total),
            queries=_sum(teacher.get("queries") for teacher in summary.get("teachers", [])),
            bytes=_sum(cost.get(way) for way in ("to_teachers", "from_teachers")),
            setting={part: setting.get(part) for part in ALIKE},
            heads={
                name: {head: _finite(value) for head, value in own.items()}
                for name, own in (summary.get("heads") or {}).items()
            },
            options={part: own for part, own in setting.items() if part not in OF_A_RUN},
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"'{folder / 'summary.json'}' does not have the form of a run's summary "
            f"({type(error).__name__}: {error}): leave this folder out, or run it again."
        ) from None


def harmful_share(summary: Mapping[str, Any]) -> float | None:
    """Return the mean share of weight on not relevant teachers in the second half of the rounds."""
    harmful = {str(t["id"]) for t in summary.get("teachers", []) if t.get("relevant") is False}
    rounds = summary.get("rounds") or []
    if not harmful or not rounds:
        return None
    last = max(int(record["round"]) for record in rounds)
    shares = []
    for record in rounds:
        weights = {str(name): float(weight) for name, weight in record["weights"].items()}
        total = sum(weights.values())
        if 2 * int(record["round"]) > last and total > 0:
            shares.append(sum(weights.get(name, 0.0) for name in harmful) / total)
    return sum(shares) / len(shares) if shares else None


def _document(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunError(f"'{path}' cannot be read: {error}; restore it or leave it out.") from None
    return found if isinstance(found, dict) else {}


def _finite(value: Any) -> float:
    if not math.isfinite(number := float(value)):
        raise ValueError(f"{value} is not a finite number")
    return number


def _sum(values: Any) -> float | None:
    known = [_finite(value) for value in values if value is not None]
    return sum(known) if known else None
