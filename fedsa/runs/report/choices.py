"""Who took part: one row a teacher, one cell a round, and the reason given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl

from fedsa.runs.report.figure import BLUES
from fedsa.runs.report.headline import number
from fedsa.runs.report.material import Material


@dataclass(frozen=True)
class Cell:
    """One teacher in one round; ``colour`` is the background, ``light`` asks for light text."""

    weight: float | None
    score: float | None
    colour: str
    light: bool
    layers: str


@dataclass(frozen=True)
class Choice:
    """One teacher over all rounds; ``relevant`` is the pool's own note, unknown to strategies."""

    id: str
    relevant: bool | None
    cells: tuple[Cell, ...]
    reason: str


@dataclass(frozen=True)
class Choices:
    """The whole table."""

    rounds: tuple[int, ...]
    rows: tuple[Choice, ...]
    scored: bool


def choices(run: Material) -> Choices | None:
    """Return the table, most trusted teacher first, or None when nothing was selected yet."""
    rounds = {**_from_summary(run), **run.per_round("selection")}
    if not rounds:
        return None
    rounds = dict(sorted(rounds.items()))
    top = max(
        (number(w) or 0.0 for event in rounds.values() for w in event.get("weights", {}).values()),
        default=0.0,
    )
    rows = []
    for teacher in run.teachers():
        name = str(teacher["id"])
        relevant = teacher.get("relevant")
        reasons = [event["reasons"][name] for event in rounds.values() if name in _reasons(event)]
        rows.append(
            Choice(
                id=name,
                relevant=relevant if isinstance(relevant, bool) else None,
                cells=tuple(_cell(event, name, top) for event in rounds.values()),
                reason=str(reasons[-1]) if reasons else "",
            )
        )
    rows.sort(key=lambda row: (-sum(cell.weight or 0.0 for cell in row.cells), row.id))
    scored = any(cell.score is not None for row in rows for cell in row.cells)
    return Choices(tuple(rounds), tuple(rows), scored)


def _reasons(event: Mapping[str, Any]) -> Mapping[str, Any]:
    return event.get("reasons") or {}


def _from_summary(run: Material) -> dict[int, Mapping[str, Any]]:
    return {int(record["round"]): record for record in run.summary.get("rounds", [])}


def _cell(event: Mapping[str, Any], name: str, top: float) -> Cell:
    weight = number((event.get("weights") or {}).get(name))
    shade = 0.0 if not weight or top <= 0 else 0.08 + 0.82 * min(1.0, max(0.0, weight / top))
    layers = (event.get("evidence") or {}).get(name) or {}
    told = [
        f"{layer} {value:.3f}"
        for layer, raw in sorted(layers.items())
        if (value := number(raw)) is not None
    ]
    return Cell(
        weight=weight,
        score=number((event.get("scores") or {}).get(name)),
        colour=mpl.colors.to_hex(BLUES(shade)) if shade else "#fbfcfd",
        light=shade > 0.4,
        layers=", ".join(told),
    )
