"""Worlds are measured once and kept; the page has what is there, beside what others published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedsa.app_folder import app_root
from fedsa.errors import ScenarioError
from fedsa.options import StudentOptions
from fedsa.tables.definition import kind_of
from fedsa.tables.few_shot import making as made
from fedsa.tables.few_shot.definition import FewShotTable, load
from fedsa.tables.few_shot.making import Making

TABLE = """
kind = "few-shot"
title = "Small"
about = "Two settings of digits."
episodes = 1
seeds = "0,1"

[settings.few]
data = "digits"
steps = 2

[settings.more]
data = "digits"
steps = 2
classes-each = 2

[[published]]
setting = "few"
source = "published"
cells."S 1" = { "B+" = 96.25 }
"""


@pytest.fixture
def table(tmp_path: Path) -> FewShotTable:
    path = tmp_path / "small.toml"
    path.write_text(TABLE)
    assert kind_of(path) == "few-shot"
    return load(path)


def test_published_worlds_are_found_by_the_table_that_they_are_of(tmp_path: Path) -> None:
    """A new option of a setting must not give the old settings new keys."""
    root = app_root() / "simulations"
    making = Making(load(root / "tables" / "few-shot.toml"), [15], tmp_path, "")
    runs = json.loads((root / "results" / "few-shot.json").read_text())["runs"]
    known = {(run["setting"], run["seed"]): run["key"] for run in runs}
    assert all(making._key(*world) == known[world] for world in making.every())


def test_a_world_is_measured_once(
    table: FewShotTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedsa.few_shot.episodes.STUDENT", StudentOptions(steps=40, batch=64))
    making = Making(table, [0, 1], tmp_path / "out", "fedsa table small")
    assert list(making.missing()) == [("few", 0), ("few", 1), ("more", 0), ("more", 1)]
    told: list[str] = []
    making.make([("few", 1)], told.append)
    assert told[0] == "1 of 1: few, seed 1: experts and the variational model"
    assert told[1:] == [
        f"1 of 1: few, seed 1: {cell}, 1 of 1 episodes done"
        for cell in ("1-shot S", "1-shot U", "5-shot S", "5-shot U")
    ]
    assert ("few", 1) not in list(making.missing()) and len(list(making.missing())) == 3
    page = (tmp_path / "out" / "small.md").read_text()
    assert "| seeds | 1 of 2 | 1 of 2 | 1 of 2 | 1 of 2 |" in page
    assert "| fedsa | not run | not run | not run | not run |" in page  # of the other setting
    assert "| B+ (published) | 96.25 | – | – | – |" in page
    (record,) = json.loads((tmp_path / "out" / "small.json").read_text())["runs"]
    assert set(record["figures"]) == {"S 1", "U 1", "S 5", "U 5"}
    ours, other = (100 * record["figures"]["S 1"][name] for name in ("fedsa", "b-plus"))
    assert f"| fedsa | {ours:.2f} |" in page
    assert f"| b-plus | {other:.2f}<br>{other - ours:+.2f} |" in page


def test_other_code_makes_it_missing_again(
    table: FewShotTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    making = Making(table, [0], tmp_path, "")
    monkeypatch.setattr(Making, "_measured", lambda self, name, seed, _: _record(self, name, seed))
    making.make([("few", 0)], lambda _: None)
    assert list(making.missing()) == [("more", 0)]
    monkeypatch.setattr(made, "sources", lambda apart: "other")
    later = Making(table, [0], tmp_path, "")
    assert list(later.missing()) == [("few", 0), ("more", 0)]
    assert list(later.missing(keep=True)) == [("more", 0)]
    assert "1 cells were made with other code" in later.write().read_text()


def _record(making: Making, name: str, seed: int) -> dict[str, object]:
    figures = {cell: {"fedsa": 0.9, "b-plus": 0.8} for cell in made.CELLS}
    whole = {"key": making._key(name, seed), "setting": name, "seed": seed, "figures": figures}
    return {**whole, "seconds": 1.0, "code": making._codes[name], **made.code.circumstances()}


def test_what_was_measured_of_other_data_or_episodes_is_missing(tmp_path: Path) -> None:
    own = tmp_path / "own.npz"
    own.write_bytes(b"one")
    path = tmp_path / "small.toml"
    path.write_text(TABLE.replace('data = "digits"', f'data = "{own}"', 1))
    making = Making(load(path), [0], tmp_path, "")
    for name in ("few", "more"):
        making._store.keep(_record(making, name, 0))
    assert not list(making.missing())
    own.write_bytes(b"two")
    assert list(Making(load(path), [0], tmp_path, "").missing()) == [("few", 0)]
    path.write_text(path.read_text().replace("episodes = 1", "episodes = 2"))
    assert len(list(Making(load(path), [0], tmp_path, "").missing(keep=True))) == 2


def test_a_method_that_only_some_seeds_have_waits_for_the_others(
    table: FewShotTable, tmp_path: Path
) -> None:
    making = Making(table, [0, 1], tmp_path, "")
    for seed in (0, 1):
        record = json.loads(json.dumps(_record(making, "few", seed)))
        for own in record["figures"].values():
            own |= {"new": 0.7} if seed == 0 else {}
        making._store.keep(record)
    page = making.write().read_text()
    assert "| b-plus | 80.00 ± 0.00<br>" in page and "| new |" not in page


def test_what_is_wrong_with_a_table_is_told(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(TABLE.replace('setting = "few"', 'setting = "fwe"'))
    with pytest.raises(ScenarioError, match="no setting 'fwe'; the table has few, more"):
        load(path)
    path.write_text(TABLE.replace('cells."S 1"', 'cells."S 2"'))
    with pytest.raises(ScenarioError, match="no cell 'S 2'; there are S 1, U 1, S 5, U 5"):
        load(path)
    path.write_text(TABLE.replace("classes-each = 2", 'mapping = "pol"'))
    with pytest.raises(ScenarioError, match="'pool' or 'extend'"):
        load(path)
    path.write_text(TABLE)
    with pytest.raises(ScenarioError, match="few-shot table has none"):
        load(path, ["student.steps=3"])
