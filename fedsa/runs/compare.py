"""Several runs side by side: per strategy, with intervals, paired over the seeds they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsa.errors import RunError
from fedsa.runs.finished import Run, read_run
from fedsa.runs.intervals import Interval, interval

BASELINES = ("scratch", "uniform", "best_single")


@dataclass(frozen=True)
class Row:
    """One method over its seeds.

    Parameters
    ----------
    scenario, method : str
        What was run.
    baseline : bool
        Whether the method is a baseline trained inside the runs instead of a run of its own.
    seeds : tuple[int, ...]
        Seeds of its finished runs, sorted.
    metric : Interval
        Its test metric, a fraction in [0, 1].
    difference : Interval | None
        Its metric minus the reference's over the seeds that both have; None for the reference
        itself, or when no seed is shared.
    harmful : Interval | None
        Share of the weight, in the second half of the rounds, on teachers that the pool notes as
        not relevant; None when there are none such, or for a baseline.
    seconds, queries, bytes : Interval | None
        Cost of a whole run; None for a baseline.
    """

    scenario: str
    method: str
    baseline: bool
    seeds: tuple[int, ...]
    metric: Interval
    difference: Interval | None
    harmful: Interval | None = None
    seconds: Interval | None = None
    queries: Interval | None = None
    bytes: Interval | None = None


@dataclass(frozen=True)
class Table:
    """The comparison: its rows, its reference, and the runs that could not be counted."""

    reference: str
    rows: tuple[Row, ...]
    left_out: tuple[str, ...]


def collect(folders: Iterable[Path], reference: str | None = None) -> Table:
    """Compare finished runs.

    Parameters
    ----------
    folders : Iterable[Path]
        Run folders, of any number of strategies, seeds and scenarios.
    reference : str | None
        The strategy that the others are compared with; ``fedsa`` if it is among the runs, else
        the first in alphabetical order.

    Raises
    ------
    RunError
        If there is no finished run, the reference is not among them, two runs are of the same
        scenario, strategy and seed, or runs of one scenario had different tasks, students,
        pools, or other settings that must be alike for a comparison to mean anything.
    """
    found = [read_run(folder) for folder in folders]
    runs = sorted((run for run in found if run.finished), key=lambda run: run.key)
    left_out = tuple(f"{run.folder}: {run.status}" for run in found if not run.finished)
    if not runs:
        raise RunError(
            "There is no finished run to compare" + "".join(f"; {line}" for line in left_out) + "."
        )
    _check_alike(runs)
    strategies = sorted({run.strategy for run in runs})
    if reference is None:
        reference = "fedsa" if "fedsa" in strategies else strategies[0]
    check_reference(reference, strategies)
    rows: list[Row] = []
    for scenario in sorted({run.scenario for run in runs}):
        rows += compared(scenario, [run for run in runs if run.scenario == scenario], reference)
    return Table(reference, tuple(rows), left_out)


def check_reference(reference: str, strategies: Iterable[str]) -> None:
    """Refuse a reference that is none of the runs' strategies; a baseline has no runs of its own.

    Raises
    ------
    RunError
        Naming those that can be chosen.
    """
    known = sorted(set(strategies))
    if reference not in known:
        raise RunError(
            f"The reference '{reference}' is not among the runs' strategies: {', '.join(known)}; "
            "choose one of these, or run it too."
        )


def compared(scenario: str, runs: Sequence[Run], reference: str) -> list[Row]:
    """Return the rows of one scenario's finished runs: the reference, the others, baselines."""
    base = {run.seed: run.metrics["student"] for run in runs if run.strategy == reference}
    rows = []
    for strategy in sorted({run.strategy for run in runs}, key=lambda s: (s != reference, s)):
        own = [run for run in runs if run.strategy == strategy]
        values = {run.seed: run.metrics["student"] for run in own}
        rows.append(
            Row(
                scenario=scenario,
                method=strategy,
                baseline=False,
                seeds=tuple(sorted(values)),
                metric=_mean(values.values()),
                difference=None if strategy == reference else _paired(values, base),
                harmful=_over(own, lambda run: run.harmful),
                seconds=_over(own, lambda run: run.seconds),
                queries=_over(own, lambda run: run.queries),
                bytes=_over(own, lambda run: run.bytes),
            )
        )
    # A baseline is the same whatever strategy ran beside it, so one value a seed is enough; the
    # reference's own runs come first, being the ones it is compared with.
    ordered = sorted(runs, key=lambda run: run.strategy == reference)
    names = {name for run in runs for name in run.metrics if name != "student"}
    known = [name for name in BASELINES if name in names]
    for name in known + sorted(names - set(known)):
        values = {run.seed: run.metrics[name] for run in ordered if name in run.metrics}
        seeds = tuple(sorted(values))
        mean, paired = _mean(values.values()), _paired(values, base)
        rows.append(Row(scenario, name, True, seeds, mean, paired))
    return rows


def _mean(values: Iterable[float]) -> Interval:
    found = interval(list(values))
    assert found is not None, "every row has at least one run"
    return found


def _paired(values: Mapping[int, float], base: Mapping[int, float]) -> Interval | None:
    return interval([values[seed] - base[seed] for seed in sorted(set(values) & set(base))])


def _over(runs: Iterable[Run], quantity: Callable[[Run], float | None]) -> Interval | None:
    return interval([value for run in runs if (value := quantity(run)) is not None])


def _check_alike(runs: Sequence[Run]) -> None:
    """Refuse comparisons that would not be between like and like."""
    seen: dict[tuple[str, str, int], Run] = {}
    first: dict[str, Run] = {}
    same: dict[tuple[str, str], Run] = {}
    for run in runs:
        if run.key in seen:
            raise RunError(
                f"'{seen[run.key].folder}' and '{run.folder}' are both strategy {run.strategy}, "
                f"seed {run.seed} of scenario {run.scenario}: give each run once."
            )
        seen[run.key] = run
        other = first.setdefault(run.scenario, run)
        differ = sorted(part for part in run.setting if run.setting[part] != other.setting[part])
        if differ:
            raise RunError(
                f"'{other.folder}' and '{run.folder}' are runs of scenario {run.scenario} but "
                f"differ in {', '.join(differ)}, so their results cannot be compared: give their "
                "scenarios different names, or run one of them again."
            )
        other = same.setdefault((run.scenario, run.strategy), run)
        parts = sorted({*run.options, *other.options})
        differ = [part for part in parts if run.options.get(part) != other.options.get(part)]
        if differ:
            raise RunError(
                f"'{other.folder}' and '{run.folder}' are runs of strategy {run.strategy} but "
                f"differ in {', '.join(differ)}, so they are no seeds of one thing: give their "
                "scenarios different names, or leave one of them out."
            )


def document(table: Table) -> dict[str, Any]:
    """Return the table as plain data for JSON: fractions, seconds, counts."""

    def plain(row: Row) -> dict[str, Any]:
        parts = ("metric", "difference", "harmful", "seconds", "queries", "bytes")
        found: dict[str, Interval | None] = {part: getattr(row, part) for part in parts}
        return {
            "scenario": row.scenario,
            "method": row.method,
            "baseline": row.baseline,
            "seeds": list(row.seeds),
        } | {part: None if value is None else value.document() for part, value in found.items()}

    return {
        "reference": table.reference,
        "interval": "95 %, Student's t over seeds; differences are paired by seed",
        "rows": [plain(row) for row in table.rows],
        "left_out": list(table.left_out),
    }


def markdown(table: Table) -> str:
    """Return the table as Markdown: percent, points, and every row, won or lost."""
    lines = []
    for scenario in dict.fromkeys(row.scenario for row in table.rows):
        lines += [
            f"### {scenario}",
            "",
            f"| method | seeds | accuracy, % | minus {table.reference}, points | "
            "weight on harmful teachers, % | seconds | queries | MB |",
            "| --- | --: | --: | --: | --: | --: | --: | --: |",
        ]
        for row in (row for row in table.rows if row.scenario == scenario):
            name = f"{row.method} (baseline)" if row.baseline else row.method
            cells = (
                name.replace("|", "\\|"),
                str(len(row.seeds)),
                figure(row.metric, 100, 2),
                figure(row.difference, 100, 2, sign=True),
                figure(row.harmful, 100, 1),
                figure(row.seconds, 1, 1),
                figure(row.queries, 1, 0),
                figure(row.bytes, 1e-6, 2),
            )
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    lines.append(
        "Mean ± half the 95 % interval (Student's t over seeds); differences are paired by seed, "
        "and a star marks those whose interval excludes zero. Harmful: teachers that the pool "
        "notes as not relevant, in the second half of the rounds."
    )
    if table.left_out:
        lines += ["", "Not counted, as not finished:", ""]
        lines += [f"- {line}" for line in table.left_out]
    return "\n".join(lines) + "\n"


def figure(value: Interval | None, factor: float, digits: int, sign: bool = False) -> str:
    """Return a mean with half its interval; with a sign, also a star if that excludes zero."""
    if value is None:
        return "–"
    mean = f"{factor * value.mean:{'+' if sign else ''},.{digits}f}"
    half = "" if value.half is None else f" ± {factor * value.half:,.{digits}f}"
    return mean + half + (" *" if sign and value.excludes_zero else "")
