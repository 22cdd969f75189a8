"""A scenario's policies: validated with the scenario, written into the pool, part of its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsa.data.shards import Shard
from fedsa.errors import ScenarioError
from fedsa.options import TeacherOptions
from fedsa.pools import _make, pool_key
from fedsa.scenario import Scenario, parse
from fedsa.teacher.card_file import read
from fedsa.teacher.policy import PolicySection

POLICY: dict[str, Any] = {
    "calls": ["predict", "score"],
    "coordinators": ["local"],
    "any-set": True,
    "ends": "2030-12-31",
    "sets": ["ab" * 32],
    "budget": {"predict": 3000, "window": "month"},
    "answers": {"top-k": 2, "bits": 5},
    "noise": {"sigma": 0.125},
}


def _scenario(**teacher: Any) -> Scenario:
    return parse({"name": "s", "teachers": [{"id": "mint", **teacher}]})


def test_a_policy_goes_through_a_scenario_and_its_run_folder() -> None:
    scenario = _scenario(policy=POLICY)
    assert scenario.teachers[0].policy == PolicySection.model_validate(POLICY)
    assert parse(scenario.document()) == scenario
    assert parse(_scenario().document()).teachers[0].policy is None


def test_every_fault_of_a_policy_is_told() -> None:
    wrong = {"calls": ["train"], "any-set": True, "budget": {"predict": -1}, "noize": {}}
    with pytest.raises(ScenarioError) as raised:
        _scenario(policy=wrong)
    told = str(raised.value)
    for key in ("policy.calls[1]", "policy.budget.predict", "policy.noize"):
        assert f"teachers[1].{key}" in told


def test_the_pool_knows_a_policy() -> None:
    without = pool_key(_scenario())
    assert pool_key(_scenario(policy=POLICY)) != without == pool_key(_scenario(policy=None))
    assert pool_key(_scenario(policy=POLICY)) != pool_key(_scenario(policy=POLICY | {"calls": []}))


def test_a_policy_is_written_as_it_was_said(tmp_path: Path) -> None:
    shard = Shard(np.zeros((4, 1, 8, 8), dtype=np.uint8), np.array([0, 1, 0, 1]), ("a", "b"), "CC0")
    for name, policy in (("mint", POLICY), ("plain", None)):
        options = TeacherOptions(id=name, epochs=0, policy=policy)
        _make(tmp_path, options, shard, seed=0)
        wanted = None if policy is None else PolicySection.model_validate(policy)
        assert read(tmp_path / name / "teacher.toml").policy == wanted
