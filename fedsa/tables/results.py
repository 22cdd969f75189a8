"""From single runs to a table's figures: each cell's rows, and how the methods stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fedsa.runs.compare import Row, compared
from fedsa.runs.finished import Run
from fedsa.runs.intervals import Interval, interval
from fedsa.tables.cells import Cell, key
from fedsa.tables.definition import Table
from fedsa.tables.earlier import ALONE, current
from fedsa.tables.store import Record, run_of


@dataclass(frozen=True)
class Result:
    """One cell's figures.

    Parameters
    ----------
    cell : Cell
        Which.
    rows : Mapping[str, Row]
        By method, the reference first; empty where nothing was run.
    records : Sequence[Record]
        The single runs behind them.
    old : int
        How many of these were made with other code or data than there is now.
    """

    cell: Cell
    rows: Mapping[str, Row]
    records: Sequence[Record]
    old: int

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds with a result of any strategy."""
        return tuple(sorted({record["seed"] for record in self.records}))

    @property
    def alone(self) -> bool:
        """Whether the strategy of some runs was run without its baselines."""
        return any(record.get(ALONE) for record in self.records)


@dataclass(frozen=True)
class Standing:
    """In how many cells the reference is ahead of a method, behind it, or neither for sure."""

    method: str
    ahead: int
    level: int
    behind: int


def results(
    table: Table,
    seeds: Sequence[int],
    known: Mapping[str, Record],
    now: Mapping[str, tuple[str, str]],
) -> list[Result]:
    """Return one result a cell; of a table with heads, one for each head of it.

    Parameters
    ----------
    table : Table
        Its cells.
    seeds : Sequence[int]
        Seeds that count.
    known : Mapping[str, Record]
        What was measured, by key.
    now : Mapping[str, tuple[str, str]]
        Digests of the code that each key's strategy, and the whole of its run, would be made with
        today.
    """
    strategies = table.options.strategies
    found = []
    for cell in table.cells:
        keys = [key(cell.run(strategies, s, seed)) for s in strategies for seed in seeds]
        made = [known[name] for name in keys if name in known]
        runs = [run_of(record) for record in made]
        old = sum(_old(record, *now[record["key"]]) for record in made)
        for head in table.options.heads or (None,):
            own = runs if head is None else [_of_head(run, head) for run in runs]
            shown = cell if head is None else cell.of(head)
            rows = compared(shown.name, own, strategies[0]) if own else []
            found.append(Result(shown, {row.method: row for row in rows}, made, old))
    return found


def _old(record: Record, strategy: str, whole: str) -> bool:
    """Whether a result is of other code; the baselines beside one run alone have another mark."""
    return record["code"] != strategy or not (record.get(ALONE) or current(record, whole))


def _of_head(run: Run, head: str) -> Run:
    """Return a run with one head's metrics in place of the mean over all."""
    return replace(run, metrics={n: own[head] for n, own in run.heads.items() if head in own})


def records(found: Iterable[Result]) -> list[Record]:
    """Return the single runs behind some results, each once."""
    return list({one["key"]: one for result in found for one in result.records}.values())


def apart(one: Result, other: Result, method: str) -> Interval | None:
    """Return a method's metric in one cell minus that in another, paired by seed."""
    mine, theirs = _by_seed(one, method), _by_seed(other, method)
    return interval([mine[seed] - theirs[seed] for seed in sorted(set(mine) & set(theirs))])


def moved(result: Result, method: str) -> Interval | None:
    """Return the bytes of a baseline that has an account of its own; None for all others."""
    accounts = (record.get("moved", {}) for record in result.records)
    return interval([float(account[method]) for account in accounts if method in account])


def _by_seed(result: Result, method: str) -> dict[int, float]:
    found = {}
    for record in result.records:
        name = "student" if record["strategy"] == method else method
        if name in record["metrics"]:
            found[record["seed"]] = record["metrics"][name]
    return found


def methods(found: Iterable[Result], table: Table) -> list[str]:
    """Return the methods in the order of the rows; those that see more come last."""
    cells = [cell for _, cells in table.parts for cell in cells]
    named = list(table.options.strategies)
    for cell in cells:
        named += cell.scenario.baselines
    named += [method for result in found for method in result.rows]
    unique = list(dict.fromkeys(named))
    return sorted(unique, key=lambda method: method in table.options.sees_more)


def standings(found: Sequence[Result], names: Sequence[str]) -> list[Standing]:
    """Compare every method but the reference over all cells that have an interval."""
    out = []
    for method in names[1:]:
        rows = [result.rows[method] for result in found if method in result.rows]
        told = [
            row.difference for row in rows if row.difference and row.difference.half is not None
        ]
        ahead = sum(one.excludes_zero and one.mean < 0 for one in told)
        behind = sum(one.excludes_zero and one.mean > 0 for one in told)
        out.append(Standing(method, ahead, len(told) - ahead - behind, behind))
    return out


def unbeaten(found: Sequence[Result], table: Table) -> tuple[int, int, int]:
    """Return in how many cells the reference is first, or not surely behind, out of how many.

    Returns
    -------
    tuple[int, int, int]
        Cells in which its mean is the highest, those in which no method is surely ahead of it,
        and all cells in which each method that belongs there has an interval; methods that see
        more are left out.
    """
    highest = level = told = 0
    for result in found:
        named = (*table.options.strategies[1:], *result.cell.scenario.baselines)
        rivals = [result.rows.get(name) for name in named if name not in table.options.sees_more]
        against = [row.difference for row in rivals if row is not None and row.difference]
        if len(against) < max(1, len(rivals)) or any(one.half is None for one in against):
            continue
        told += 1
        highest += all(one.mean <= 0 for one in against)
        level += not any(one.excludes_zero and one.mean > 0 for one in against)
    return highest, level, told


def document(table: Table, seeds: Sequence[int], found: Sequence[Result]) -> dict[str, Any]:
    """Return everything as plain data for JSON: fractions, seconds, counts, and single runs."""

    def plain(row: Row) -> dict[str, Any]:
        parts = ("metric", "difference", "harmful", "seconds", "queries", "bytes")
        figures = {part: getattr(row, part) for part in parts}
        return {"method": row.method, "baseline": row.baseline, "seeds": list(row.seeds)} | {
            part: value and value.document() for part, value in figures.items()
        }

    highest, level, told = unbeaten(found, table)
    return {
        "table": table.name,
        "title": table.options.title,
        "reference": table.options.strategies[0],
        "seeds": list(seeds),
        "interval": "95 %, Student's t over seeds; differences are paired by seed",
        "sees_more": table.options.sees_more,
        "not_run": table.options.not_run,
        "standing": {
            "cells": told,
            "highest_mean": highest,
            "nobody_surely_ahead": level,
            "against": [vars(one) for one in standings(found, methods(found, table))],
        },
        "cells": [
            {
                "name": result.cell.name,
                "settings": dict(result.cell.settings),
                "status": "run" if result.rows else "not run",
                "seeds": list(result.seeds),
                "made_with_other_code": result.old,
                "rows": [plain(row) for row in result.rows.values()],
            }
            for result in found
        ],
        "runs": records(found),
    }
