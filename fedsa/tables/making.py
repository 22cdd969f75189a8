"""A table in the making: which runs are missing, where they go, what is written of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from fedsa.app_folder import app_root
from fedsa.runs.finished import read_run
from fedsa.runs.folder import RunFolder
from fedsa.scenario import Scenario
from fedsa.tables import code
from fedsa.tables.cells import Cell, key
from fedsa.tables.definition import Table
from fedsa.tables.earlier import BASELINES, current, with_earlier
from fedsa.tables.markdown import markdown
from fedsa.tables.results import document, results
from fedsa.tables.store import Record, Store, put_json, put_text


class _Wanted(NamedTuple):
    """A run of the table; digests of what its strategy, and the whole of it, depend on."""

    cell: Cell
    run: Scenario
    key: str
    code: str
    whole: str


class Making:
    """A table, its seeds, and a folder for what is measured.

    Parameters
    ----------
    table : Table
        With its cells.
    seeds : Sequence[int]
        The seeds of every cell.
    out : Path
        Gets ``NAME.md``, ``NAME.json``, and in ``NAME/`` the runs and their results.
    command : str
        By which the table is made, to be told.
    alone : bool
        Whether strategies are run without their baselines, beside those of earlier results.
    """

    def __init__(
        self,
        table: Table,
        seeds: Sequence[int],
        out: Path,
        command: str = "",
        alone: bool = False,
    ) -> None:
        self.table, self.seeds, self.out, self.alone = table, seeds, out, alone
        self._command = command or f"fedsa table {table.name}"
        published = app_root() / "simulations" / "results" / f"{table.name}.json"
        self._store = Store(out / table.name / "results", published)
        self._now = code.circumstances()

    @cached_property
    def _runs(self) -> list[_Wanted]:
        """Every run, and what it would be made with now."""
        strategies = self.table.options.strategies
        every = (
            (cell, cell.run(strategies, strategy, seed))
            for cell in self.table.cells
            for seed in self.seeds
            for strategy in strategies
        )
        return [
            _Wanted(cell, run, key(run), code.strategy_digest(run), code.digest(run))
            for cell, run in every
        ]

    @property
    def total(self) -> int:
        """Number of runs, done or not."""
        return len(self._runs)

    def missing(self, keep: bool = False) -> Iterator[tuple[Cell, Scenario]]:
        """Yield what has no result; with ``keep``, one of other code counts too."""
        known = self._store.all()
        for one in self._runs:
            if not self._counts(known.get(one.key), one, keep):
                yield one.cell, one.run

    def _counts(self, record: Record | None, one: _Wanted, keep: bool) -> bool:
        if record is None or not (self.alone or record.get(BASELINES) != {}):
            return False
        beside = self.alone or current(record, one.whole)
        return keep or (record["code"] == one.code and beside)

    def to_run(self, run: Scenario) -> Scenario:
        """Return what is run for a result: the scenario, or its strategy alone."""
        return run.model_copy(update={"baselines": ()}) if self.alone else run

    def folder(self, cell: Cell, run: Scenario) -> Path:
        """Return where a run goes: a place of its own for what is run and by what code."""
        alone = self.to_run(run)
        made = code.strategy_digest(run) if self.alone else code.digest(run)
        name = f"{cell.slug}-seed{run.seed}-{key(alone)[:8]}-{made[:6]}"
        return self.out / self.table.name / "runs" / name

    def keep(self, run: Scenario, folder: Path) -> None:
        """Keep the result of a run that has finished.

        It counts as made with what there was when the table was begun, so that a file that was
        changed meanwhile means a run too many and never a figure of unknown code.
        """
        told = RunFolder(folder).events("baseline")
        moved = {event["name"]: event["bytes"] for event in told if "bytes" in event}
        wanted = next(one for one in self._runs if one.key == key(run))
        found, made = read_run(folder), dict[str, Any](moved=moved)
        if self.alone and run.baselines:
            found, made = with_earlier(found, self._store.all().get(key(run)), run.baselines)
        elif run.baselines:
            made[BASELINES] = {"code": wanted.whole, **self._now}
        self._store.put(run, found, {**made, "code": wanted.code, **self._now})

    def write(self) -> Path:
        """Write the table as it stands and return its page."""
        now = {one.key: (one.code, one.whole) for one in self._runs}
        found = results(self.table, self.seeds, self._store.all(), now)
        self.out.mkdir(parents=True, exist_ok=True)
        page = self.out / f"{self.table.name}.md"
        put_json(page.with_suffix(".json"), document(self.table, self.seeds, found))
        put_text(page, markdown(self.table, self.seeds, found, self._command))
        return page
