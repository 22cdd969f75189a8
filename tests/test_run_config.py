"""Server and simulated clients read the same scenario out of Flower's run config."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedsa.errors import FedsaError, ScenarioError
from fedsa.run_config import find_scenario, scenario_of
from fedsa.scenario import parse


def write(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text('name = "own"\nseed = 3\n[[teachers]]\nid = "a"\n')
    return path


def test_a_name_is_a_scenario_that_comes_with_fedsa() -> None:
    assert scenario_of({}).name == "quickstart"
    assert scenario_of({"scenario": "digits_table"}).name == "digits_table"
    with pytest.raises(FedsaError, match="no-such"):
        scenario_of({"scenario": "no-such"})


def test_a_path_is_a_file(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert find_scenario(str(path)) == path
    found = scenario_of({"scenario": str(path), "seed": -1, "strategy": "", "set": ""})
    assert (found.name, found.seed, found.strategy) == ("own", 3, "fedsa")


def test_overrides_are_parted_by_semicolons(tmp_path: Path) -> None:
    found = scenario_of(
        {
            "scenario": str(write(tmp_path)),
            "set": "rounds=2; task.data=digits ;",
            "strategy": "own.module:recipe",
            "seed": 0,
        }
    )
    assert (found.rounds, found.task.data, found.seed) == (2, "digits", 0)
    assert found.strategy == "own.module:recipe"


def test_a_runs_own_config_is_read_as_it_stands(tmp_path: Path) -> None:
    scenario = parse({"name": "kept", "seed": 8})
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"scenario": scenario.document(), "versions": {}}))
    assert scenario_of({"scenario": str(path)}) == scenario


@pytest.mark.parametrize("text", [None, "{", "{}", "[]", '{"scenario": 3}'])
def test_a_broken_config_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "config.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ScenarioError, match=r"config\.json' cannot be read"):
        scenario_of({"scenario": str(path)})
