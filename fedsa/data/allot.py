"""How many items of each class everyone gets, when there are not enough for all wishes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_SLACKS = (1.0, 1.1, 1.25, 1.5, 2.0, 3.0, np.inf)


def spread(total: int, room: np.ndarray) -> np.ndarray:
    """Share ``total`` among classes as evenly as their room allows.

    Parameters
    ----------
    total : int
        What to share; at most the sum of ``room``.
    room : np.ndarray
        ``(C,)`` the most that each class can take.

    Returns
    -------
    np.ndarray
        ``(C,)`` int64 with that sum; the largest and the smallest differ by more than one only
        where a class is full.
    """
    out = np.zeros(len(room), np.int64)
    while (left := total - int(out.sum())) > 0:
        open_ = np.flatnonzero(out < room)
        share = max(left // len(open_), 1)
        for place in open_[: left // share]:
            out[place] += min(share, room[place] - out[place])
    return out


def in_proportion(total: int, counts: np.ndarray) -> np.ndarray:
    """Share ``total`` among classes by their counts, at least one each (largest remainders).

    Parameters
    ----------
    total : int
        From the number of classes to the sum of ``counts``.
    counts : np.ndarray
        ``(C,)`` positive.

    Returns
    -------
    np.ndarray
        ``(C,)`` int64 with that sum, from 1 to ``counts``.
    """
    ideal = total * counts / counts.sum()
    out: np.ndarray = np.clip(np.floor(ideal).astype(np.int64), 1, counts)
    while (left := total - int(out.sum())) != 0:
        step = 1 if left > 0 else -1
        fits = out < counts if step > 0 else out > 1
        need = np.where(fits, (ideal - out) * step, -np.inf)
        out[int(need.argmax())] += step
    return out


def match(wants: Sequence[int], classes: Sequence[np.ndarray], room: np.ndarray) -> np.ndarray:
    """Give everyone items of their classes out of one stock, as evenly as will do.

    Each one's share of a class is first capped at an even share; where the stock does not allow
    that (many want the same classes), the caps are loosened step by step. At each step a
    maximum flow tells whether all wishes fit together.

    Parameters
    ----------
    wants : Sequence[int]
        Items wanted by each of N.
    classes : Sequence[np.ndarray]
        The classes that each takes.
    room : np.ndarray
        ``(C,)`` the stock.

    Returns
    -------
    np.ndarray
        ``(N, C)`` int64; rows sum to ``wants`` if that is possible at all, else the sum of all
        is the most that can be given.
    """
    for slack in _SLACKS:
        given = _flow(wants, classes, room, slack)
        if given.sum() == sum(wants):
            break
    return given


def _flow(
    wants: Sequence[int], classes: Sequence[np.ndarray], room: np.ndarray, slack: float
) -> np.ndarray:
    people, kinds = len(wants), len(room)
    source, sink = people + kinds, people + kinds + 1
    graph = np.zeros((sink + 1, sink + 1), np.int32)
    graph[source, :people] = wants
    graph[people:source, sink] = room
    for person, (want, own) in enumerate(zip(wants, classes, strict=True)):
        even = -(-want // len(own))
        cap = want if np.isinf(slack) else min(want, int(np.ceil(slack * even)))
        graph[person, people + own] = cap
    # Here, since every process that reads a scenario would load it, and one needs it.
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_flow

    flow = maximum_flow(csr_array(graph), source, sink).flow.toarray()
    given: np.ndarray = flow[:people, people:source].astype(np.int64)
    return given
