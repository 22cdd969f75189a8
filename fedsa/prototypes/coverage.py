"""Which items to label: those that stand for all kinds of items, found without a label.

The teachers' answers put items apart before any label is known. They are parted into as many
clusters as labels can be had, and of each the most typical item is proposed: TypiClust (Hacohen,
Dekel and Weinshall, ICML 2022) on answers in place of self-supervised features, with Ward's
clusters (1963), which depend on no random start and do not split the large ones for their size.
Distances are Hellinger distances of answers (:func:`fedsa.fusion.stack.features`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist

from fedsa.seeding import numpy_generator

SAMPLE = 3000
"""Items that the clusters are found on; all are then put to the nearest."""
NEAR = 20
"""Neighbours whose mean distance tells how typical an item is of its cluster."""


@dataclass(frozen=True, eq=False)
class Covering:
    """Items that stand for all others.

    Parameters
    ----------
    items : NDArray[np.int64]
        ``(k,)`` indices, those that stand for most first.
    masses : NDArray[np.float64]
        ``(k,)`` the share of items that each stands for; sum to one.
    home : NDArray[np.int64]
        ``(n,)`` which of the k each item is stood for by.
    """

    items: NDArray[np.int64]
    masses: NDArray[np.float64]
    home: NDArray[np.int64]


def cover(features: NDArray[np.float64], count: int, seed: int) -> Covering:
    """Choose ``count`` items that stand for all.

    Parameters
    ----------
    features : NDArray[np.float64]
        ``(n, F)``, ``n >= count``; nearness is Euclidean.
    count : int
        k.
    seed : int
        Of the sample, where there are more items than ``SAMPLE``.
    """
    items = len(features)
    sample = np.arange(items)
    if items > max(SAMPLE, count):
        draw = numpy_generator(seed, "covering")
        sample = np.sort(draw.choice(items, max(SAMPLE, count), replace=False))
    home = nearest(features, _centres(features[sample], count))
    # A centre to which no item is nearest (equal items) stands for nothing and is left to others.
    masses = np.bincount(home, minlength=count) / items
    order = np.argsort(-masses, kind="stable")
    order = order[: int((masses > 0).sum())]
    place = np.full(count, -1)
    place[order] = np.arange(len(order))
    chosen = [typical(features, np.flatnonzero(home == cluster)) for cluster in order]
    found = np.array(chosen, np.int64)
    home, masses = place[home], masses[order]
    if len(found) < count:
        free = np.setdiff1d(np.arange(items), found)[: count - len(found)]
        found, masses = np.append(found, free), np.append(masses, np.zeros(len(free)))
    return Covering(found, masses, home)


def _centres(features: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the means of Ward's clusters, ``(<= count, F)``."""
    if count == len(features):
        return features
    cluster = fcluster(linkage(features, "ward"), count, "maxclust")
    return np.stack([features[cluster == one].mean(axis=0) for one in np.unique(cluster)])


def nearest(features: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the nearest centre of each item, ``(n,)``, some thousand items at a time."""
    parts = [
        cdist(features[start : start + SAMPLE], centres).argmin(axis=1)
        for start in range(0, len(features), SAMPLE)
    ]
    return np.concatenate(parts)


def typical(features: NDArray[np.float64], members: NDArray[np.int64]) -> int:
    """Return the member whose nearest neighbours among the members are the nearest."""
    members = members[:: -(-len(members) // SAMPLE)]  # of huge clusters a part will do
    near = min(NEAR, len(members) - 1)
    if near == 0:
        return int(members[0])
    apart = cdist(features[members], features[members])
    apart.partition(near, axis=1)
    return int(members[apart[:, : near + 1].sum(axis=1).argmin()])
