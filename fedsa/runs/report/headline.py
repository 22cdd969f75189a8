"""The top of the page: how far the run came, and the student against its baselines."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fedsa.runs.report.material import Material

NAMES = {
    "student": "Student",
    "scratch": "Scratch: the few labels alone",
    "uniform": "All teachers, equal weights",
    "best_single": "Best single teacher",
    "single_tasks": "A student of its own for each head",
    "fixmatch": "FixMatch: labels and unlabelled items",
    "self_training": "Self-training: labels and unlabelled items",
    "supervised": "The labels of all items, no teachers",
    "transfer": "The best teacher's weights, fine-tuned",
    "reference_fedsa": "FedSA as published, inside teachers",
    "fedavg": "FedAvg over the clients, then fine-tuned",
    "fedprox": "FedProx over the clients, then fine-tuned",
}


@dataclass(frozen=True)
class Row:
    """One method: its name, its metric in percent, and the student's lead over it in points."""

    key: str
    name: str
    percent: float
    lead: float | None


@dataclass(frozen=True)
class Headline:
    """What the page says first."""

    title: str
    strategy: str
    seed: str
    status: str
    finished: bool
    task: str
    error: str
    rows: tuple[Row, ...]
    heads: tuple[str, ...] = ()
    parts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Of several heads: their names, and each method's metrics in percent, in their order."""


def number(value: Any) -> float | None:
    """Return a finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def metrics(run: Material) -> dict[str, float]:
    """Return each method's metric in [0, 1]: the student first, then the baselines."""
    found: dict[str, Any] = {}
    rounds = run.per_round("round")
    if rounds:
        found["student"] = list(rounds.values())[-1].get("student")
    for event in run.of("baseline"):
        found[str(event.get("name"))] = event.get("metric")
    found.update(run.summary.get("metrics") or {})
    order = sorted(found, key=lambda key: (key != "student", key not in NAMES))
    return {key: value for key in order if (value := number(found[key])) is not None}


def headline(run: Material) -> Headline:
    """Collect the top of the page."""
    values = metrics(run)
    student = values.get("student")
    rows = tuple(
        Row(
            key=key,
            name=NAMES.get(key, key.replace("_", " ").replace("-", " ").capitalize()),
            percent=100.0 * value,
            lead=None if key == "student" or student is None else 100.0 * (student - value),
        )
        for key, value in values.items()
    )
    status = str(run.summary.get("status") or _status(run))
    return Headline(
        title=str(run.summary.get("scenario") or run.scenario.get("name") or run.folder.name),
        strategy=str(run.summary.get("strategy") or run.scenario.get("strategy") or "unknown"),
        seed=str(run.summary.get("seed", run.scenario.get("seed", "unknown"))),
        status=status,
        finished=status == "finished",
        task=_task(run),
        error=_error(run),
        rows=rows,
        heads=tuple(_heads(run).get("student", {})),
        parts=tuple(_parts(run)),
    )


def _heads(run: Material) -> dict[str, dict[str, Any]]:
    found = run.summary.get("heads")
    return found if isinstance(found, dict) else {}


def _parts(run: Material) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each method's name and its metric of every head."""
    found = _heads(run)
    for key, own in found.items():
        values = [number(own.get(head)) for head in found.get("student", {})]
        shown = ("–" if value is None else f"{100.0 * value:.1f}" for value in values)
        yield NAMES.get(key, key.replace("_", " ").capitalize()), tuple(shown)


def _error(run: Material) -> str:
    """Return the sentence that the run ended with, unless it was gone on with since."""
    telling = [e for e in run.events if e.get("event") in ("started", "round", "finished", "error")]
    last = telling[-1] if telling else {}
    return str(last.get("sentence", "")) if last.get("event") == "error" else ""


def _status(run: Material) -> str:
    if run.of("finished"):
        return "finished"
    rounds = run.per_round("round")
    planned = run.scenario.get("rounds", "?")
    if rounds:
        return f"not finished: {max(rounds)} of {planned} rounds done"
    return "not finished: no round done yet"


def _task(run: Material) -> str:
    task = run.summary.get("task") or {}
    if isinstance(heads := task.get("heads"), dict):
        return f"several tasks: {', '.join(map(str, heads))}"
    classes = task.get("classes")
    count = len(classes) if isinstance(classes, list) else classes
    kind = str(task.get("kind") or (run.scenario.get("task") or {}).get("kind") or "")
    return f"{kind}, {count} classes" if count else kind
