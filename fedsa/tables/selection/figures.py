"""How well scores rank a pool: weighted tau, regret, precision, and ranks among estimators."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import rankdata, weightedtau

from fedsa.runs.intervals import Interval, interval
from fedsa.seeding import numpy_generator

LOTS = 200
"""Random rankings, whose mean is the row ``random``."""


@dataclass(frozen=True)
class Ranking:
    """How well one estimator ranks one pool.

    Parameters
    ----------
    tau : float
        Weighted Kendall tau with the true gains (Vigna, WWW 2015: exchanges among the first weigh
        more), in [-1, 1]; 0 for scores that do not differ.
    regret : float
        True gain of the best teacher less that of the first by score, a share of accuracy.
    precision : float
        Share of truly helpful teachers (gain above zero) among as many first by score as there
        are; 1 where nobody helps.
    """

    tau: float
    regret: float
    precision: float


def ranking(scores: Mapping[str, float], gains: Mapping[str, float]) -> Ranking:
    """Hold scores against true gains.

    Parameters
    ----------
    scores : Mapping[str, float]
        Higher is better; every one of these teachers must have a gain. Of equal scores the mean
        over all orders counts.
    gains : Mapping[str, float]
        True gains.
    """
    names = sorted(scores)
    told = np.array([scores[name] for name in names], np.float64)
    true = np.array([gains[name] for name in names], np.float64)
    differ = np.ptp(told) > 0 and np.ptp(true) > 0
    tau = float(weightedtau(told, true).statistic) if differ else 0.0
    first = told == told.max()
    helpful = true > 0
    count = int(helpful.sum())
    return Ranking(
        tau=tau,
        regret=float(true.max() - true[first].mean()),
        precision=_among_first(told, helpful, count) if count else 1.0,
    )


def by_lot(gains: Mapping[str, float], seed: int) -> Ranking:
    """Return what random scores come to in the mean."""
    return _by_lot(tuple(sorted(gains.items())), seed)


@cache  # a page is written after every cell
def _by_lot(known: tuple[tuple[str, float], ...], seed: int) -> Ranking:
    draw = numpy_generator(seed, "ranking", "random")
    gains = dict(known)
    names = list(gains)
    lots = [
        ranking(dict(zip(names, draw.random(len(names)).tolist(), strict=True)), gains)
        for _ in range(LOTS)
    ]
    return Ranking(
        *(float(np.mean([getattr(one, part) for one in lots])) for part in Ranking.__annotations__)
    )


def ranks(values: Mapping[str, float]) -> dict[str, float]:
    """Return places from 1 for the highest value; equal ones share their mean place."""
    places = rankdata([-round(value, 12) for value in values.values()])
    return dict(zip(values, places.tolist(), strict=True))


def over_seeds(values: Sequence[Sequence[float]]) -> Interval | None:
    """Return mean and interval over seeds of the mean over pools.

    Parameters
    ----------
    values : Sequence[Sequence[float]]
        One sequence a seed, over pools: pools of a seed share teachers, so they count as one.
    """
    return interval([math.fsum(each) / len(each) for each in values if len(each)])


def _among_first(told: np.ndarray, helpful: np.ndarray, count: int) -> float:
    """Return the share of helpful ones among the ``count`` highest; ties are split evenly."""
    border = np.sort(told)[-count]
    sure, tied = told > border, told == border
    room = count - int(sure.sum())
    return float((helpful[sure].sum() + room * helpful[tied].mean()) / count)
