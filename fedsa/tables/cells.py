"""A cell: one scenario of a table, and the key by which its result is known again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from fedsa.scenario import Scenario


@dataclass(frozen=True)
class Cell:
    """One scenario of a table, to be run with every strategy and seed.

    Parameters
    ----------
    name : str
        Its settings, parted by commas.
    settings : Mapping[str, str]
        Axis to setting.
    scenario : Scenario
        Validated.
    """

    name: str
    settings: Mapping[str, str]
    scenario: Scenario

    def run(self, strategies: Sequence[str], strategy: str, seed: int) -> Scenario:
        """Return the scenario of one run; baselines run beside the first strategy only."""
        change: dict[str, Any] = {"strategy": strategy, "seed": seed}
        if strategy != strategies[0]:
            change["baselines"] = ()  # the same whatever strategy runs beside them
        return self.scenario.model_copy(update=change)

    def of(self, head: str) -> Cell:
        """Return what the cell says of one head of a task that has several."""
        name = f"{self.name}, {head}" if self.name else head
        return replace(self, name=name, settings={**self.settings, "head": head})

    @property
    def slug(self) -> str:
        """The name as part of a folder's."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:60] or "cell"


def key(scenario: Scenario) -> str:
    """Return 16 hex digits that name what is run: scenario, strategy and seed.

    What stands at its default is left out, so that a new option does not make all that was
    measured before it unknown.
    """
    document = scenario.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    # What a run is by default stands here all the same: it is what the key is for.
    document |= {"strategy": scenario.strategy, "seed": scenario.seed}
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def merged(base: Mapping[str, Any], *changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with pieces replaced: tables are merged, anything else is exchanged."""
    found = deepcopy(dict(base))
    for change in changes:
        for name, value in change.items():
            if isinstance(value, dict) and isinstance(found.get(name), dict):
                found[name] = merged(found[name], value)
            else:
                found[name] = deepcopy(value)
        if "label-share" in change and "labels-per-class" not in change:
            found.pop("labels-per-class", None)  # what is said last holds
    return found


def clashes(
    axes: Sequence[str] | Mapping[str, str], changes: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Return a sentence for each key that two axes of a cell both set."""
    keys = [set(_leaves(change)) for change in changes]
    faults = []
    for (one, mine), (other, theirs) in combinations(zip(axes, keys, strict=True), 2):
        for name in sorted(mine & theirs):
            faults.append(f"the axes '{one}' and '{other}' both set {name}.")
    return faults


def _leaves(change: Mapping[str, Any], where: str = "") -> Iterator[str]:
    for name, value in change.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{where}{name}.")
        else:
            yield where + name
