"""The page of a few-shot table; rows that lose stand where rows that win stand."""

from __future__ import annotations

from collections.abc import Sequence

from fedsa.runs.compare import figure
from fedsa.runs.intervals import interval
from fedsa.tables.few_shot.definition import CELLS, FewShotTable
from fedsa.tables.made import made_with
from fedsa.tables.store import Record

LEGEND = """
Test accuracy in percent on two classes, mean over seeds ± half the 95 % interval (Student's t);
below it the difference from *fedsa* in points, paired by seed, with a star where its interval
excludes zero. *S*: experts know both classes, *U*: nobody knows any; *1-shot*: one labelled image
of each. *b-plus* and *b-max* are the sum and the maximum of the experts' answers on the two
classes, without labels; *hoang* is the variational model; *scratch* is *fedsa*'s student on the
labelled images alone, *nearest* the nearest of them by pixels."""

OURS = "fedsa"


def markdown(
    table: FewShotTable, seeds: Sequence[int], records: Sequence[Record], old: int, command: str
) -> str:
    """Return the whole page.

    Parameters
    ----------
    table : FewShotTable
        What it is about.
    seeds : Sequence[int]
        Seeds that it asks for.
    records : Sequence[Record]
        What was measured.
    old : int
        Records that were made with other code than there is now.
    command : str
        By which it is made.
    """
    options = table.options
    lines = [f"# {options.title}", "", options.about.strip(), "", "```sh", command, "```", ""]
    lines += [LEGEND.strip(), ""]
    for name in options.settings:
        found = [record for record in records if record["setting"] == name]
        lines += [f"## {name}", "", *_setting(table, name, found, len(seeds)), ""]
    if options.not_run:
        lines += ["## Not run here", ""]
        lines += [f"- {what}: {why}" for what, why in options.not_run.items()]
        lines.append("")
    lines += ["## Made with", ""]
    if old:
        lines.append(f"- {old} cells were made with other code than this checkout has.")
    return "\n".join([*lines, *made_with(records, "cell")]).rstrip() + "\n"


def _setting(table: FewShotTable, name: str, records: Sequence[Record], seeds: int) -> list[str]:
    lines = ["| method | " + " | ".join(CELLS.values()) + " |"]
    lines.append("| --- |" + " --: |" * len(CELLS))
    every = [record["figures"][cell] for record in records for cell in CELLS]
    # A method that is new in the code has its row when all seeds are measured again.
    methods = [one for one in every[0] if all(one in own for own in every)] if every else [OURS]
    for method in methods:
        cells = [_cell(records, cell, method) for cell in CELLS]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    for one in table.options.published:
        if one.setting != name:
            continue
        for method in dict.fromkeys(m for of in one.cells.values() for m in of):
            cells = [
                f"{one.cells[cell][method]:.2f}" if method in one.cells.get(cell, {}) else "–"
                for cell in CELLS
            ]
            lines.append(f"| {method} ({one.source}) | " + " | ".join(cells) + " |")
    done = f"{len(records)} of {seeds}"
    return [*lines, f"| seeds | {' | '.join([done] * len(CELLS))} |"]


def _cell(records: Sequence[Record], cell: str, method: str) -> str:
    if not records:
        return "not run"
    mine = [record["figures"][cell][OURS] for record in records]
    own = [record["figures"][cell][method] for record in records]
    shown = figure(interval(own), 100, 2)
    if method == OURS:
        return shown
    less = interval([one - other for one, other in zip(own, mine, strict=True)])
    return f"{shown}<br>{figure(less, 100, 2, sign=True)}"
