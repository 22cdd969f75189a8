"""From the cells to the figures of the page: means over pools and seeds, ranks, differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedsa.runs.intervals import Interval, interval
from fedsa.tables.selection.cells import ACCURACY, ESTIMATES, STUDENTS, TRUTH, gains
from fedsa.tables.selection.definition import SelectionTable
from fedsa.tables.selection.figures import Ranking, by_lot, over_seeds, ranking, ranks

DEFAULT = "default"
Cells = Mapping[str, Mapping[int, Mapping[str, Any]]]
"""Kind to seed to figures."""


@dataclass(frozen=True)
class Row:
    """One estimator's figures over all pools and seeds.

    Parameters
    ----------
    name : str
        The estimator.
    taus : Mapping[str, Interval | None]
        By pool.
    tau, regret, precision, rank : Interval | None
        Means over pools, with intervals over seeds; ``rank`` is its place by tau among all rows.
    behind : Interval | None
        Its tau less the default's, paired by seed.
    """

    name: str
    taus: Mapping[str, Interval | None]
    tau: Interval | None
    regret: Interval | None
    precision: Interval | None
    rank: Interval | None
    behind: Interval | None


@dataclass(frozen=True)
class Chosen:
    """One way to select, by the students that it leads to.

    Parameters
    ----------
    name : str
        The way.
    accuracy, difference : Mapping[str, Interval | None]
        By pool, the students' accuracy, and that less the default's, paired by seed.
    rank : Interval | None
        Its place by accuracy among all ways but the oracle.
    """

    name: str
    accuracy: Mapping[str, Interval | None]
    difference: Mapping[str, Interval | None]
    rank: Interval | None


def of_seed(cells: Cells, seed: int) -> dict[str, Mapping[str, Any]]:
    """Return a seed's cells, by kind."""
    return {kind: of[seed] for kind, of in cells.items() if seed in of}


def measured(cells: Cells, seeds: Sequence[int]) -> list[int]:
    """Return the seeds of which estimates can be held against the truth."""
    return [seed for seed in seeds if seed in cells[TRUTH] and seed in cells[ESTIMATES]]


def rankings(
    table: SelectionTable, cells: Cells, seeds: Sequence[int], student: str
) -> dict[int, dict[str, dict[str, Ranking]]]:
    """Return seed to pool to estimator to its :class:`Ranking`, for one student.

    The seeds must be those of :func:`measured`.
    """
    found: dict[int, dict[str, dict[str, Ranking]]] = {}
    for seed in seeds:
        true, estimated = gains(of_seed(cells, seed)), cells[ESTIMATES][seed]
        stand = estimated["students"][student]
        every = dict(stand["scores"]) | {"accuracy on its own items": estimated["own-accuracy"]}
        found[seed] = {}
        for pool, teachers in table.options.pools.items():
            own = {name: true[name] for name in teachers}
            scores = dict(stand["defaults"][pool]) | {
                name: {teacher: values[teacher] for teacher in teachers}
                for name, values in every.items()
            }
            rows = {name: ranking(values, own) for name, values in scores.items()}
            found[seed][pool] = rows | {"random": by_lot(own, seed)}
    return found


def rows(found: Mapping[int, Mapping[str, Mapping[str, Ranking]]]) -> list[Row]:
    """Return one row an estimator, the best mean rank first."""
    if not found:
        return []
    pools = list(next(iter(found.values())))
    names = common([by[pool] for by in found.values() for pool in pools])
    places = {
        seed: {pool: ranks({n: by[pool][n].tau for n in names}) for pool in pools}
        for seed, by in found.items()
    }

    def told(name: str, part: str) -> list[list[float]]:
        return [[getattr(by[pool][name], part) for pool in pools] for by in found.values()]

    out = []
    for name in names:
        apart = [
            [a - b for a, b in zip(mine, default, strict=True)]
            for mine, default in zip(told(name, "tau"), told(DEFAULT, "tau"), strict=True)
        ]
        out.append(
            Row(
                name=name,
                taus={p: interval([by[p][name].tau for by in found.values()]) for p in pools},
                tau=over_seeds(told(name, "tau")),
                regret=over_seeds(told(name, "regret")),
                precision=over_seeds(told(name, "precision")),
                rank=over_seeds([[by[p][name] for p in pools] for by in places.values()]),
                behind=None if name == DEFAULT else over_seeds(apart),
            )
        )
    return sorted(out, key=lambda row: row.rank.mean if row.rank else 0.0)


def chosen(
    table: SelectionTable, cells: Cells, seeds: Sequence[int], fused: str = ACCURACY
) -> list[Chosen]:
    """Return one row a way to select, the best mean rank first.

    Parameters
    ----------
    table, cells, seeds : SelectionTable, Cells, Sequence[int]
        What was measured.
    fused : str
        ``ACCURACY`` or ``USUAL``: by which fusion the students learnt.
    """
    pools = list(table.trained)
    known = {
        seed: cells[STUDENTS][seed]
        for seed in seeds
        if seed in cells[STUDENTS] and fused in cells[STUDENTS][seed][pools[0]]
    }
    if not known:
        return []
    names = common([by[pool][fused] for by in known.values() for pool in pools])
    places = {
        seed: [ranks({n: by[pool][fused][n] for n in names if not sees_more(n)}) for pool in pools]
        for seed, by in known.items()
    }

    def accuracy(name: str, pool: str) -> list[float]:
        return [by[pool][fused][name] for by in known.values()]

    def apart(name: str, pool: str) -> list[float]:
        pairs = zip(accuracy(name, pool), accuracy(DEFAULT, pool), strict=True)
        return [a - b for a, b in pairs]

    out = [
        Chosen(
            name=name,
            accuracy={pool: interval(accuracy(name, pool)) for pool in pools},
            difference={
                pool: None if name == DEFAULT else interval(apart(name, pool)) for pool in pools
            },
            rank=None
            if sees_more(name)
            else over_seeds([[by[name] for by in each] for each in places.values()]),
        )
        for name in names
    ]
    return sorted(out, key=lambda row: row.rank.mean if row.rank else 1e9)


def common(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what all have, in the order of the first.

    What is new in the code is in no seed that was measured before, and has its row when all are
    measured again.
    """
    return [name for name in found[0] if all(name in one for one in found)]


def sees_more(name: str) -> bool:
    """Whether a way to select knows the truth."""
    return name.startswith("oracle")
