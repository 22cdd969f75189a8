"""A table as Markdown: every cell, won, lost or not run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from fedsa.runs.compare import figure
from fedsa.tables.definition import Part, Table
from fedsa.tables.earlier import ALONE, BASELINES
from fedsa.tables.made import made_with
from fedsa.tables.results import (
    Result,
    apart,
    methods,
    moved,
    records,
    standings,
    unbeaten,
)

MISSING = "not run"
_COSTS = (("queries", "queries", 1, 0), ("bytes", "MB", 1e-6, 1), ("seconds", "seconds", 1, 0))
_MARKS: dict[str, tuple[Callable[[Result], bool], str]] = {
    "†": (lambda one: one.old > 0, "made with other code or data than this checkout has."),
    "‡": (
        lambda one: one.alone,
        "run alone, and so in fewer seconds, beside baselines of earlier code, if of any.",
    ),
}


def markdown(table: Table, seeds: Sequence[int], found: Sequence[Result], command: str) -> str:
    """Return the whole page.

    Parameters
    ----------
    table : Table
        What it is about.
    seeds : Sequence[int]
        The seeds that it asks for.
    found : Sequence[Result]
        One a cell.
    command : str
        By which it is made.
    """
    options, names = table.options, methods(found, table)
    by_place = {tuple(result.cell.settings.values()): result for result in found}
    lines = [f"# {options.title}", ""]
    if options.about:
        lines += [options.about.strip(), ""]
    lines += ["```sh", command, "```", "", *_legend(table)]
    for part, cells in table.parts:
        lines += [f"## {part.title}", ""] if part.title else []
        if part.compare == "columns":
            lines += ["Differences here are from the first column, of the same method.", ""]
        part, shown = table.columns(part, cells)
        own = [by_place[tuple(cell.settings.values())] for cell in shown]
        for heading, columns in _grids(part, own):
            lines += [f"### {heading}", ""] if heading else []
            lines += [*_grid(table, part, columns, names, seeds), ""]
    lines += _standing(table, found, names) if len(names) > 1 else []
    if options.not_run:
        lines += ["## Not run here", ""]
        lines += [f"- {what}: {why}" for what, why in options.not_run.items()] + [""]
    return "\n".join([*lines, *_made(found)]) + "\n"


def _legend(table: Table) -> list[str]:
    reference = table.options.strategies[0]
    what = "Test accuracy"
    if table.options.heads:
        what = (
            "Each head's metric on the test set (accuracy for classes, the share of labels told "
            "right for multi-label, R² for regression, intersection over union for segmentation)"
        )
    text = (
        f"{what} in percent, mean ± half the 95 % interval (Student's t over seeds); below "
        f"it the difference from *{reference}* in points, paired by seed, with a star where its "
        f"interval excludes zero. Queries, bytes and seconds are those of a run of "
        f"*{reference}*, with all the baselines trained beside it."
    )
    more = [f"- *{name}* sees more: {what}" for name, what in table.options.sees_more.items()]
    return [text, "", *more, *([""] if more else [])]


def _grids(part: Part, own: Sequence[Result]) -> Iterator[tuple[str, list[Result]]]:
    """Yield one grid for each combination of all axes of a part but its last."""
    before = list(part.vary)[:-1]
    groups = groupby(own, key=lambda result: [result.cell.settings[axis] for axis in before])
    for settings, results in groups:
        yield ", ".join(settings), list(results)


def _grid(
    table: Table, part: Part, columns: Sequence[Result], names: Sequence[str], seeds: Sequence[int]
) -> list[str]:
    axis = list(part.vary)[-1] if part.vary else ""
    heads = [result.cell.settings[axis] if axis else result.cell.name for result in columns]
    lines = [_row(axis or "method", heads), _row("---", ["--:"] * len(columns))]
    for name in names:
        first = columns[0] if part.compare == "columns" else None
        cells = [_cell(result, name, first) for result in columns]
        if any(cell != MISSING for cell in cells) or name in table.options.strategies:
            lines.append(
                _row(f"{name} (sees more)" if name in table.options.sees_more else name, cells)
            )
    for part_name, label, factor, digits in _COSTS:
        lines.append(
            _row(label, [_cost(result, names[0], part_name, factor, digits) for result in columns])
        )
    for name in names:
        if any(accounts := [moved(result, name) for result in columns]):
            lines.append(_row(f"MB of {name}", [figure(one, 1e-6, 1) for one in accounts]))
    marks = [[mark for mark, (holds, _) in _MARKS.items() if holds(one)] for one in columns]
    counts = [
        " ".join([f"{len(one.seeds)} of {len(seeds)}", *own])
        for one, own in zip(columns, marks, strict=True)
    ]
    lines.append(_row("seeds", counts))
    for mark, (_, text) in _MARKS.items():
        if any(mark in own for own in marks):
            lines += ["", f"{mark} {text}"]
    return lines


def _cell(result: Result, method: str, first: Result | None) -> str:
    if method not in result.rows:
        return MISSING
    row = result.rows[method]
    text = figure(row.metric, 100, 2)
    difference = row.difference
    if first is not None:
        difference = None if result is first else apart(result, first, method)
    return text + (f"<br>{figure(difference, 100, 2, sign=True)}" if difference else "")


def _cost(result: Result, method: str, name: str, factor: float, digits: int) -> str:
    if method not in result.rows:
        return MISSING
    return figure(getattr(result.rows[method], name), factor, digits)


def _standing(table: Table, found: Sequence[Result], names: Sequence[str]) -> list[str]:
    run = sum(bool(result.rows) for result in found)
    highest, level, told = unbeaten(found, table)
    lines = [
        f"## How the methods stand against {names[0]}",
        "",
        f"Of {len(found)} cells {run} were run, {told} of them with "
        "enough seeds of every method for an interval."
        + (
            f" In {highest} of these {told} no method that sees as much has a higher mean, in "
            f"{level} none is surely ahead."
            if told
            else ""
        ),
        "",
        _row("method", [f"{names[0]} ahead", "neither for sure", f"{names[0]} behind"]),
        _row("---", ["--:"] * 3),
    ]
    for one in standings(found, names):
        name = f"{one.method} (sees more)" if one.method in table.options.sees_more else one.method
        lines.append(_row(name, [str(one.ahead), str(one.level), str(one.behind)]))
    return [*lines, ""]


def _made(found: Iterable[Result]) -> list[str]:
    """Tell what the figures were made with, one line for each different commit and machine."""
    runs = records(found)
    if not runs:
        return ["Nothing was run yet."]
    earlier = [one[BASELINES] for one in runs if one.get(ALONE) and one[BASELINES]]
    lines = [*made_with(runs, "run"), *made_with(earlier, "run", "baselines of ")]
    return ["## Made with", "", *lines]


def _row(first: str, cells: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in (first, *cells)) + " |"
