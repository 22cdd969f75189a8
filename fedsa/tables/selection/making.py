"""A selection table in the making: which cells are missing, where they go, what is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fedsa.app_folder import app_root
from fedsa.errors import RunError
from fedsa.tables import code
from fedsa.tables.made import made_with
from fedsa.tables.selection.cells import STUDENTS, Figures, Measuring, digest, key, kinds
from fedsa.tables.selection.definition import SelectionTable
from fedsa.tables.selection.markdown import FUSIONS, markdown
from fedsa.tables.selection.results import chosen, measured, rankings, rows
from fedsa.tables.store import Record, Store, put_json, put_text


class Making:
    """A selection table, its seeds, and a folder for what is measured.

    Parameters
    ----------
    table : SelectionTable
        What is measured.
    seeds : Sequence[int]
        Each has a cell of every kind.
    out : Path
        Gets ``NAME.md``, ``NAME.json``, and the cells in ``NAME/results``.
    command : str
        By which the table is made, to be told.
    """

    def __init__(
        self, table: SelectionTable, seeds: Sequence[int], out: Path, command: str
    ) -> None:
        self.table, self.seeds, self.out, self._command = table, seeds, out, command
        published = app_root() / "simulations" / "results" / f"{table.name}.json"
        self._store = Store(out / table.name / "results", published)

    def every(self) -> list[tuple[str, int]]:
        """Return kind and seed of each cell, measured or not."""
        return [(kind, seed) for seed in self.seeds for kind in kinds(self.table)]

    def missing(self, keep: bool = False) -> Iterator[tuple[str, int]]:
        """Yield kind and seed of what has no result; with ``keep``, one of other code counts."""
        known = self._store.all()
        for seed in self.seeds:
            stale = False
            for kind in kinds(self.table):
                record = known.get(key(self.table, kind, seed))
                fresh = record is not None and (keep or record["code"] == self._code(kind, seed))
                if not fresh or (kind == STUDENTS and stale):  # they follow from the others
                    stale = True
                    yield kind, seed

    def make(self, todo: Sequence[tuple[str, int]], progress: Callable[[str], None]) -> None:
        """Measure cells, keep each when it is done, and write the page anew.

        Raises
        ------
        RunError
            Before anything is measured, if students are to be trained where estimates or truths
            are not there and not asked for.
        """
        self._check(todo)
        measuring: Measuring | None = None
        last = None
        cell = ""

        def told(part: str) -> None:
            progress(f"{cell}: {part}")

        for place, (kind, seed) in enumerate(todo, 1):
            cell = f"{place} of {len(todo)}: {kind}, seed {seed}"
            if measuring is None or seed != last:
                known = {kind: of[seed] for kind, of in self._cells().items() if seed in of}
                measuring, last = Measuring(self.table, seed, known, told), seed
            made = self._code(kind, seed)  # before, as a file may be changed meanwhile
            figures, seconds = measuring.make(kind)
            record = {
                "key": key(self.table, kind, seed),
                "kind": kind,
                "seed": seed,
                "figures": figures,
                "seconds": seconds,
                "code": made,
            }
            self._store.keep(record | code.circumstances())
            self.write()

    def _check(self, todo: Sequence[tuple[str, int]]) -> None:
        cells = self._cells()
        for seed in [seed for kind, seed in todo if kind == STUDENTS]:
            others = [kind for kind in kinds(self.table) if kind != STUDENTS]
            lacking = [k for k in others if seed not in cells[k] and (k, seed) not in todo]
            if lacking:
                raise RunError(
                    f"The students of seed {seed} follow from all its other cells, and "
                    f"{', '.join(lacking)} of seed {seed} is not measured: ask for it too."
                )

    def write(self) -> Path:
        """Write the table as it stands and return its page."""
        cells, records = self._cells(), self._records()
        old = sum(one["code"] != self._code(one["kind"], one["seed"]) for one in records)
        self.out.mkdir(parents=True, exist_ok=True)
        page = self.out / f"{self.table.name}.md"
        put_json(page.with_suffix(".json"), self._document(records))
        text = markdown(
            self.table, self.seeds, cells, made_with(records, "cell"), old, self._command
        )
        put_text(page, text)
        return page

    def _code(self, kind: str, seed: int) -> str:
        return digest(self.table, kind, seed)

    def _records(self) -> list[Record]:
        known = self._store.all()
        wanted = [key(self.table, kind, seed) for seed in self.seeds for kind in kinds(self.table)]
        return [known[name] for name in wanted if name in known]

    def _cells(self) -> dict[str, dict[int, Figures]]:
        found: dict[str, dict[int, Figures]] = {kind: {} for kind in kinds(self.table)}
        for record in self._records():
            found[record["kind"]][record["seed"]] = record["figures"]
        return found

    def _document(self, records: Sequence[Record]) -> dict[str, Any]:
        cells = self._cells()
        done = measured(cells, self.seeds)
        students = list(cells["estimates"][done[0]]["students"]) if done else []

        def plain(row: Any) -> dict[str, Any]:
            def told(value: Any) -> Any:
                if isinstance(value, dict):
                    return {name: told(one) for name, one in value.items()}
                return value.document() if hasattr(value, "document") else value

            return {name: told(value) for name, value in vars(row).items()}

        return {
            "table": self.table.name,
            "title": self.table.options.title,
            "seeds": list(self.seeds),
            "pools": {name: list(pool) for name, pool in self.table.options.pools.items()},
            "interval": "95 %, Student's t over seeds of the mean over pools",
            "estimators": {
                name: [plain(row) for row in rows(rankings(self.table, cells, done, name))]
                for name in students
            },
            "students": {
                by: [plain(row) for row in chosen(self.table, cells, self.seeds, fused)]
                for fused, by in FUSIONS.items()
            },
            "runs": [_rounded(record) for record in records],
        }


def _rounded(value: Any) -> Any:
    """Return plain data with six significant digits, which is what figures are good for."""
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
