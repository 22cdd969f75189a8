"""Small scenarios, and what their parts hold."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from fedsa.data.draw import content_keys
from fedsa.data.splits import Split
from fedsa.scenario import Scenario, parse


def scenario(
    seed: int = 0, task: dict[str, Any] | None = None, *teachers: dict[str, Any]
) -> Scenario:
    defaults = {"data": "noise", "items": 300, "label-share": 0.1, "test-items": 100}
    document = {
        "name": "toy",
        "seed": seed,
        "task": defaults | (task or {}),
        "saliency": {"probe-items": 2},
        "selection": {"response-items": 2},
        "teachers": [{"id": f"t{place}", "data": "noise"} | t for place, t in enumerate(teachers)],
    }
    return parse(document)


def parts(found: Split) -> list[set[int]]:
    arrays = [found.transfer.array, found.test_inputs, *(s.inputs for s in found.shards.values())]
    return [set(content_keys(array).tolist()) for array in arrays]


def assert_disjoint(found: Split) -> None:
    assert not any(one & other for one, other in combinations(parts(found), 2))
