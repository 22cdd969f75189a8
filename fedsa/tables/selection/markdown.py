"""The page of a selection table; rows that lose stand where rows that win stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fedsa.runs.compare import figure
from fedsa.runs.intervals import interval
from fedsa.tables.selection.cells import ACCURACY, TRUTH, USUAL, alone, gains
from fedsa.tables.selection.costs import cost
from fedsa.tables.selection.definition import SelectionTable
from fedsa.tables.selection.results import (
    DEFAULT,
    Cells,
    chosen,
    measured,
    of_seed,
    rankings,
    rows,
    sees_more,
)

LEGEND = """
Means over pools, ± half the 95 % interval (Student's t) over seeds. *tau*: weighted Kendall tau of
the scores with the true gains. *regret@1*: points of true gain lost by taking the teacher that is
scored first. *precision*: share of truly helpful teachers (true gain above zero) among as many
first ones as there are. *rank*: place by tau among all rows, in the mean over pools and seeds.
*less default*: tau less the default's, paired by seed, with a star where the interval excludes
zero. *queries*: items about which each teacher is asked; *passes*: forward and backward passes that
it makes for them. *look: METHOD* is the closeness of centred maps, as the default has it of its
method; *evidence* is the default selector with another part of looks."""
FUSIONS = {ACCURACY: "the prototype fusion", USUAL: "multi-head distillation"}


def markdown(
    table: SelectionTable,
    seeds: Sequence[int],
    cells: Cells,
    made: Sequence[str],
    old: int,
    command: str,
) -> str:
    """Return the whole page.

    Parameters
    ----------
    table : SelectionTable
        What it is about.
    seeds : Sequence[int]
        Seeds that it asks for.
    cells : Cells
        What was measured.
    made : Sequence[str]
        Lines that tell what the cells were made with.
    old : int
        Cells that were made with other code than there is now.
    command : str
        By which it is made.
    """
    options = table.options
    lines = [f"# {options.title}", "", options.about.strip(), "", "```sh", command, "```", ""]
    lines += [LEGEND.strip(), ""]
    done = measured(cells, seeds)
    if done:
        students = list(cells["estimates"][done[0]]["students"])
        lines += _estimators(table, cells, done, students[0])
        lines += _qualities(table, cells, done, students)
    for fused, by in FUSIONS.items():
        lines += _students(table, cells, seeds, fused, by)
    lines += _gains(table, cells, seeds)
    counts = ", ".join(
        f"{kind} {len(set(of) & set(seeds))} of {len(seeds)}" for kind, of in cells.items()
    )
    lines += ["## Made with", "", f"- Seeds that are there: {counts}."]
    if old:
        lines += [f"- {old} cells were made with other code or data than this checkout has."]
    return "\n".join([*lines, *made]) + "\n"


def _estimators(
    table: SelectionTable, cells: Cells, seeds: Sequence[int], student: str
) -> Iterator[str]:
    pools = list(table.options.pools)
    yield f"## How well each estimator ranks the teachers (student: {student})"
    yield ""
    heads = ["rank", "tau", "less default", *(f"tau, {p}" for p in pools)]
    heads += ["regret@1, points", "precision", "queries", "passes"]
    yield _row("estimator", heads)
    yield _row("---", ["--:"] * len(heads))
    for row in rows(rankings(table, cells, seeds, student)):
        queries, passes = cost(row.name, table.scenario)
        figures = [figure(row.rank, 1, 1), figure(row.tau, 1, 2), figure(row.behind, 1, 2, True)]
        figures += [figure(row.taus[pool], 1, 2) for pool in pools]
        figures += [figure(row.regret, 100, 2), figure(row.precision, 1, 2)]
        yield _row(row.name, [*figures, f"{queries:,}", f"{passes:,}"])
    yield ""


def _qualities(
    table: SelectionTable, cells: Cells, seeds: Sequence[int], students: Sequence[str]
) -> Iterator[str]:
    yield "## By the student's quality: tau"
    yield ""
    yield "The truth is the same for all three, the gains with the labels of the first."
    yield ""
    yield _row("estimator", students)
    yield _row("---", ["--:"] * len(students))
    accuracies = [
        interval([cells["estimates"][s]["students"][name]["accuracy"] for s in seeds])
        for name in students
    ]
    yield _row("the student's accuracy", [figure(one, 100, 1) for one in accuracies])
    every = [
        {row.name: row for row in rows(rankings(table, cells, seeds, name))} for name in students
    ]
    for name in every[0]:
        yield _row(name, [figure(of[name].tau, 1, 2) for of in every])
    yield ""


def _students(
    table: SelectionTable, cells: Cells, seeds: Sequence[int], fused: str, by: str
) -> Iterator[str]:
    found = chosen(table, cells, seeds, fused)
    if not found:
        return
    pools = list(table.trained)
    yield f"## The student under each way to select, by {by}"
    yield ""
    yield (
        f"Test accuracy in percent of a student by {by}, one round of "
        f"{table.options.student_steps} steps; below it the difference from the default, paired "
        "by seed. The oracle sees the true gains, and has no rank."
    )
    yield ""
    yield _row("selection", ["rank", *pools])
    yield _row("---", ["--:"] * (len(pools) + 1))
    for row in found:
        values = []
        for pool in pools:
            apart = row.difference[pool]
            below = "" if row.name == DEFAULT else f"<br>{figure(apart, 100, 2, True)}"
            values.append(figure(row.accuracy[pool], 100, 2) + below)
        name = f"{row.name} (sees more)" if sees_more(row.name) else row.name
        yield _row(name, [figure(row.rank, 1, 1), *values])
    yield ""


def _gains(table: SelectionTable, cells: Cells, seeds: Sequence[int]) -> Iterator[str]:
    known = [of_seed(cells, seed) for seed in seeds if seed in cells[TRUTH]]
    if not known:
        return
    level = interval([alone(one) for one in known])
    yield "## The true gains"
    yield ""
    yield f"Points over a student of the labels alone ({figure(level, 100, 1)} %)."
    yield ""
    yield _row("teacher", ["gain", "pools"])
    yield _row("---", ["--:", "---"])
    means: dict[str, Any] = {
        name: interval([gains(one)[name] for one in known]) for name in gains(known[0])
    }
    for name in sorted(means, key=lambda name: -means[name].mean):
        where = [pool for pool, names in table.options.pools.items() if name in names]
        yield _row(name, [figure(means[name], 100, 1, True), ", ".join(where)])
    yield ""


def _row(first: str, cells: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in (first, *cells)) + " |"
