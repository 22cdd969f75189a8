"""A few-shot table in the making: which worlds are missing, where they go, what is written."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from fedsa.app_folder import app_root
from fedsa.data import DATASETS, path_of
from fedsa.data.files import fingerprint
from fedsa.few_shot.episodes import episodes
from fedsa.few_shot.world import world
from fedsa.models import MODELS
from fedsa.sources import sources
from fedsa.tables import code
from fedsa.tables.few_shot.definition import CELLS, FewShotTable
from fedsa.tables.few_shot.markdown import markdown
from fedsa.tables.store import Record, Store, put_json, put_text


class Making:
    """A few-shot table, its seeds, and a folder for what is measured.

    Parameters
    ----------
    table : FewShotTable
        What is measured.
    seeds : Sequence[int]
        Each has a world of every setting.
    out : Path
        Gets ``NAME.md``, ``NAME.json``, and the worlds' figures in ``NAME/results``.
    command : str
        By which the table is made, to be told.
    """

    def __init__(self, table: FewShotTable, seeds: Sequence[int], out: Path, command: str) -> None:
        self.table, self.seeds, self.out, self._command = table, seeds, out, command
        published = app_root() / "simulations" / "results" / f"{table.name}.json"
        self._store = Store(out / table.name / "results", published)

    @cached_property
    def _codes(self) -> dict[str, str]:
        """Of each setting, a digest of the code and, if it has a file of its own, the data."""
        of_all = sources(tuple(part for part in code.APART if part != "few_shot"))[:16]
        return {
            name: of_all + _own(one.data) + _model(one.expert)
            for name, one in self.table.options.settings.items()
        }

    def every(self) -> list[tuple[str, int]]:
        """Return setting and seed of each world, measured or not."""
        return [(name, seed) for name in self.table.options.settings for seed in self.seeds]

    def missing(self, keep: bool = False) -> Iterator[tuple[str, int]]:
        """Yield setting and seed of what has no result; with ``keep``, one of other code counts."""
        known = self._store.all()
        for name, seed in self.every():
            record = known.get(self._key(name, seed))
            if record is None or not (keep or record["code"] == self._codes[name]):
                yield name, seed

    def make(self, todo: Sequence[tuple[str, int]], progress: Callable[[str], None]) -> None:
        """Measure worlds, keep each when it is done, and write the page anew.

        ``progress`` is told what is under way, by world and episode.
        """
        before = torch.get_num_threads()
        torch.set_num_threads(1)  # small products: a second thread only waits
        try:
            for place, (name, seed) in enumerate(todo, 1):
                cell = f"{place} of {len(todo)}: {name}, seed {seed}"
                told = partial(_tell, progress, cell)
                self._store.keep(self._measured(name, seed, told))
                self.write()
        finally:
            torch.set_num_threads(before)

    def write(self) -> Path:
        """Write the table as it stands and return its page."""
        known, records = self._store.all(), []
        for setting in self.table.options.settings:
            keys = [self._key(setting, seed) for seed in self.seeds]
            records += [known[name] for name in keys if name in known]
        old = sum(record["code"] != self._codes[record["setting"]] for record in records)
        self.out.mkdir(parents=True, exist_ok=True)
        page = self.out / f"{self.table.name}.md"
        put_json(
            page.with_suffix(".json"),
            {
                "table": self.table.name,
                "title": self.table.options.title,
                "seeds": list(self.seeds),
                "runs": records,
            },
        )
        put_text(page, markdown(self.table, self.seeds, records, old, self._command))
        return page

    def _measured(self, name: str, seed: int, progress: Callable[[str], None]) -> Record:
        options, begin = self.table.options, time.perf_counter()
        setting, found = options.settings[name], {}
        progress("experts and the variational model")
        where = world(setting, seed)
        for cell in CELLS:
            kind, shots = cell.split()
            rows = []
            for row in episodes(where, kind, int(shots), options.episodes):
                rows.append(row)
                progress(f"{CELLS[cell]}, {len(rows)} of {options.episodes} episodes done")
            found[cell] = {
                method: sum(row[method] for row in rows) / len(rows) for method in rows[0]
            }
        record: dict[str, Any] = {
            "key": self._key(name, seed),
            "setting": name,
            "seed": seed,
            "figures": found,
            "seconds": round(time.perf_counter() - begin, 1),
            "code": self._codes[name],
        }
        return record | code.circumstances()

    def _key(self, name: str, seed: int) -> str:
        """Return 16 hex digits that name a world and its episodes."""
        options = self.table.options
        setting = options.settings[name].model_dump(mode="json", exclude_none=True)
        document = [setting, options.episodes, seed]
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def _own(data: str) -> str:
    """Return what names the content of a person's own data; nothing for a set by name."""
    path = path_of(data)
    file = fingerprint(path) if path is not None and path.exists() else ""
    return file + DATASETS.source(data)


def _model(name: str | None) -> str:
    """Return what names the code of a person's own network for experts."""
    return MODELS.source(name) if name else ""


def _tell(progress: Callable[[str], None], cell: str, part: str) -> None:
    progress(f"{cell}: {part}")
