"""The cells: for each seed the true gains, the estimates, and the students; each kept by itself."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping
from copy import copy
from dataclasses import asdict, replace
from functools import cached_property, partial
from typing import Any

import torch

from fedsa.models import build
from fedsa.ranking.estimates import Stand, defaults, estimates, stands
from fedsa.ranking.pool import Pool, Progress
from fedsa.ranking.students import choices, students
from fedsa.ranking.truth import truth
from fedsa.scenario import Scenario
from fedsa.seeding import derive
from fedsa.tables import code
from fedsa.tables.selection.definition import SelectionTable

TRUTH, ESTIMATES, STUDENTS = "truth", "estimates", "students"
ACCURACY, USUAL = "accuracy", "multi-head"
"""Of students: by the prototype fusion, and by multi-head distillation."""

_OWN = tuple(name for name in code.APART if name != "ranking")
_APART = {
    # Nobody is compared or selected for the truth.
    "truth": (
        *_OWN,
        "ranking/estimates.py",
        "ranking/students.py",
        "saliency",
        "selection",
        "strategy",
        "transferability",
    ),
    "estimates": (*_OWN, "ranking/students.py", "ranking/truth.py"),
    "students": _OWN,
}

Figures = Mapping[str, Any]


def kinds(table: SelectionTable) -> list[str]:
    """Return a table's kinds of cells in the order in which they are made.

    One truth for each repetition with other starts of the students; students come last, since
    those under the oracle need all truths.
    """
    more = [f"{TRUTH} {number}" for number in range(2, table.options.truth_students + 1)]
    return [TRUTH, ESTIMATES, *more, STUDENTS]


def gains(known: Mapping[str, Figures]) -> dict[str, float]:
    """Return the true gains of one seed, the mean over repetitions that are there.

    Rounded, so that gains of as many items are a tie whatever the last bits of their mean.
    """
    every = [of["gains"] for kind, of in known.items() if kind.startswith(TRUTH)]
    return {name: round(math.fsum(of[name] for of in every) / len(every), 9) for name in every[0]}


def alone(known: Mapping[str, Figures]) -> float:
    """Return the accuracy of the student of the labels alone, over the same repetitions."""
    every = [of["alone"] for kind, of in known.items() if kind.startswith(TRUTH)]
    return math.fsum(every) / len(every)


def key(table: SelectionTable, kind: str, seed: int) -> str:
    """Return 16 hex digits that name what a cell measures."""
    own, options = _scenario(table, seed), table.options
    matters: dict[str, Any] = {"truth": options.truth_steps}
    if not kind.startswith(TRUTH):
        matters = {"more": options.more_labels, "steps": options.student_steps}
        matters["pools"] = {name: sorted(pool) for name, pool in options.pools.items()}
    if kind == "students":
        matters |= {"truth": options.truth_steps, "trained": sorted(table.trained)}
        matters |= {"repetitions": options.truth_students}
    document = own.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    document |= {"seed": seed, "kind": kind, "matters": matters}
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def digest(table: SelectionTable, kind: str, seed: int) -> str:
    """Return a digest of the code and data that a cell is made with."""
    return code.digest(_scenario(table, seed), _APART[kind.split()[0]])


class Measuring:
    """Makes the cells of one seed; what several of them need is made once.

    Parameters
    ----------
    table : SelectionTable
        What is measured.
    seed : int
        Of pool, labels and students.
    known : dict[str, Figures]
        Cells of this seed that are there, by kind; new ones are added.
    progress : Progress
        Told what is being done.
    """

    def __init__(
        self, table: SelectionTable, seed: int, known: dict[str, Figures], progress: Progress
    ) -> None:
        self.table, self.known, self.progress = table, known, progress
        self.scenario = _scenario(table, seed)

    def make(self, kind: str) -> tuple[Figures, float]:
        """Make a cell and return its figures, and the seconds that it took."""
        torch.set_num_threads(self.scenario.threads)
        begin = time.monotonic()
        word, _, number = kind.partition(" ")
        figures: Figures = getattr(self, f"_{word}")(*([int(number)] if number else []))
        self.known[kind] = figures
        return figures, time.monotonic() - begin

    @cached_property
    def _pool(self) -> Pool:
        return Pool(self.scenario, self.progress)

    @cached_property
    def _stands(self) -> dict[str, Stand]:
        options = self.table.options
        return stands(self._pool, options.more_labels, options.student_steps)

    def _truth(self, repetition: int = 1) -> Figures:
        pool = self._pool
        if repetition > 1:  # other starts and batches of the students, the same labels
            seed = derive(self.scenario.seed, "ranking", TRUTH, repetition)
            pool = copy(pool)
            pool.problem = replace(
                pool.problem,
                seed=seed,
                build=partial(
                    build,
                    self.scenario.student.model,
                    tuple(pool.problem.transfer.array.shape[1:]),
                    seed=derive(seed, "student"),
                ),
            )
        return asdict(truth(pool, self.table.options.truth_steps))

    def _estimates(self) -> Figures:
        look = f"look: {self.scenario.saliency.method}"
        found: dict[str, Any] = {"own-accuracy": self._pool.own_accuracy(), "students": {}}
        for name, stand in self._stands.items():
            scores = estimates(self._pool, stand)
            found["students"][name] = {
                "accuracy": self._pool.accuracy(stand.student),
                "scores": scores,
                "defaults": {
                    pool: defaults(self._pool, stand, teachers, scores[look])
                    for pool, teachers in self.table.options.pools.items()
                },
            }
        return found

    def _students(self) -> Figures:
        name, first = next(iter(self._stands.items()))
        scores = self.known["estimates"]["students"][name]["scores"]
        true = gains(self.known)
        found = {}
        for pool, teachers in self.table.trained.items():
            chosen = choices(self._pool, first, teachers, scores, true)
            steps = self.table.options.student_steps
            found[pool] = {
                "weights": chosen,
                ACCURACY: students(self._pool, first, chosen, steps),
                USUAL: students(self._pool, first, chosen, steps, usual=True),
            }
        return found


def _scenario(table: SelectionTable, seed: int) -> Scenario:
    return table.scenario.model_copy(update={"seed": seed})
