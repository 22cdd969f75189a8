"""Cells are measured once, kept, and measured anew when what they are made with has changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedsa.errors import RunError, ScenarioError
from fedsa.ranking.estimates import PUBLISHED
from fedsa.tables.definition import kind_of
from fedsa.tables.selection import cells as measured
from fedsa.tables.selection import making as made
from fedsa.tables.selection.costs import cost
from fedsa.tables.selection.definition import load
from fedsa.tables.selection.making import Making

TABLE = """
kind = "selection"
title = "Small"
students = ["all"]
more-labels = 0.2

[pools]
all = ["a", "b", "c"]
two = ["a", "b"]

[scenario]
task = { data = "digits-table", items = 300, label-share = 0.1 }
student = { model = "mlp", steps = 40 }
saliency = { probe-items = 16 }
teachers = [
  { id = "a", model = "mlp", data = "digits-table", items = 50 },
  { id = "b", model = "mlp", data = "digits-table", items = 50 },
  { id = "c", model = "mlp", data = "digits-table", items = 50 },
]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "small.toml"
    file.write_text(TABLE)
    return file


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Figures without measuring; `b` is best, and only the default knows."""
    found: list[tuple[str, int]] = []

    class MadeUp:
        def __init__(self, table: Any, seed: int, known: dict[str, Any], progress: Any) -> None:
            self.table, self.seed, self.known, self.progress = table, seed, known, progress

        def make(self, kind: str) -> tuple[dict[str, Any], float]:
            assert kind != "students" or {"truth", "estimates"} <= set(self.known)
            found.append((kind, self.seed))
            self.progress("made up")
            truth = {"a": 0.01, "b": 0.02 + 0.01 * self.seed, "c": -0.03}
            wrong = {"a": 3.0, "b": 2.0, "c": 1.0}
            stand = {
                "accuracy": 0.6,
                "scores": {"leep": wrong},
                "defaults": {
                    pool: {"default": {name: truth[name] for name in names}}
                    for pool, names in self.table.options.pools.items()
                },
            }
            students = {"default": 0.8, "uniform": 0.75 + 0.001 * self.seed, "oracle": 0.9}
            own: dict[str, Any] = {
                "truth": {"alone": 0.7, "gains": truth},
                "estimates": {"own-accuracy": wrong, "students": {"few": stand}},
                "students": {
                    "all": {
                        "weights": {},
                        "accuracy": students,
                        "multi-head": dict.fromkeys(students, 0.5) | {"default": 0.6},
                    }
                },
            }
            self.known[kind] = own[kind]
            return own[kind], 1.0

    monkeypatch.setattr(made, "Measuring", MadeUp)
    return found


def test_cells_are_measured_once(path: Path, tmp_path: Path, made_up: list[Any]) -> None:
    making = Making(load(path), [0, 1], tmp_path / "out", "the command")
    todo = list(making.missing())
    assert len(todo) == 6 and "truth 0 of 2" in making.write().read_text()
    told: list[str] = []
    making.make(todo[:2], told.append)
    assert told == ["1 of 2: truth, seed 0: made up", "2 of 2: estimates, seed 0: made up"]
    assert made_up == [("truth", 0), ("estimates", 0)]
    again = Making(load(path), [0, 1], tmp_path / "out", "the command")
    assert list(again.missing()) == todo[2:]
    again.make(todo[2:], print)
    assert not list(again.missing())
    page = again.write().read_text()
    assert "the command" in page and "| default | 1.0 ± 0.0 | 1.00 ± 0.00 | – |" in page
    assert "| uniform | 2.0 ± 0.0 | 75.05 ± 0.64<br>-4.95 ± 0.64 * |" in page
    assert "| oracle (sees more) | – | 90.00 ± 0.00<br>+10.00 ± 0.00 * |" in page
    usual = page[page.index("by multi-head distillation") :]
    assert "| uniform | 2.0 ± 0.0 | 50.00 ± 0.00<br>-10.00 ± 0.00 * |" in usual
    assert page.index("| default |") < page.index("| leep |")
    found = json.loads((tmp_path / "out" / "small.json").read_text())
    assert len(found["runs"]) == 6
    assert [len(rows) for rows in found["students"].values()] == [3, 3]
    rows = {row["name"]: row for row in found["estimators"]["few"]}
    assert rows["default"]["regret"]["mean"] == 0 < rows["leep"]["regret"]["mean"]


def test_what_other_code_made_is_measured_anew(
    path: Path, tmp_path: Path, made_up: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    making = Making(load(path), [0], tmp_path / "out", "")
    making.make(list(making.missing()), print)
    digest = made.digest
    monkeypatch.setattr(
        made, "digest", lambda t, kind, s: "new" if kind == "estimates" else digest(t, kind, s)
    )
    # Students are selected by what was estimated.
    assert list(making.missing()) == [("estimates", 0), ("students", 0)]
    assert not list(making.missing(keep=True))
    assert "1 cells were made with other code" in making.write().read_text()
    other = Making(load(path, ["student.steps=41"]), [0], tmp_path / "out", "")
    assert len(list(other.missing())) == 3


def test_a_gain_is_the_mean_over_repetitions(path: Path, tmp_path: Path) -> None:
    path.write_text(TABLE.replace('title = "Small"', 'title = "Small"\ntruth-students = 3'))
    table = load(path)
    assert measured.kinds(table) == ["truth", "estimates", "truth 2", "truth 3", "students"]
    keys = [measured.key(table, kind, 0) for kind in measured.kinds(table)]
    assert len(set(keys)) == 5
    path.write_text(TABLE)
    assert measured.key(load(path), "truth", 0) == keys[0]
    known = {
        "truth": {"alone": 0.5, "gains": {"a": 0.1}},
        "truth 2": {"alone": 0.6, "gains": {"a": 0.4}},
    }
    assert measured.gains(known) == {"a": pytest.approx(0.25)}


def test_gains_of_as_many_items_are_a_tie() -> None:
    """The means differ in the last bit only, as those of equal counts in another order do."""
    parts = [0.1 + 0.2, 0.3, 0.7], [0.3, 0.3, 0.7]
    known = {
        kind: {"gains": {"a": one, "b": other}}
        for kind, one, other in zip(("truth", "truth 2", "truth 3"), *parts, strict=True)
    }
    found = measured.gains(known)
    assert found["a"] == found["b"]


def test_the_truth_depends_on_no_selector(path: Path) -> None:
    table = load(path)
    kinds = measured.kinds(table)
    digests = {kind: measured.digest(table, kind, 0) for kind in kinds}
    assert len(set(digests.values())) == 3
    assert all(part in measured._APART["truth"] for part in ("selection", "saliency"))
    assert all("fusion" not in apart for apart in measured._APART.values())
    text = path.read_text()
    path.write_text(text.replace('two = ["a", "b"]', 'two = ["a", "c"]'))
    keys = [[measured.key(t, kind, 0) for kind in kinds] for t in (table, load(path))]
    assert keys[0][0] == keys[1][0] and keys[0][1] != keys[1][1]


def test_students_of_before_multi_head_are_shown_without_it(
    path: Path, tmp_path: Path, made_up: list[Any]
) -> None:
    making = Making(load(path), [0], tmp_path / "out", "")
    making.make(list(making.missing()), print)
    for file in (tmp_path / "out" / "small" / "results").glob("*.json"):
        record = json.loads(file.read_text())
        if record["kind"] == "students":
            del record["figures"]["all"]["multi-head"]
            file.write_text(json.dumps(record))
    page = Making(load(path), [0], tmp_path / "out", "").write().read_text()
    assert "by the prototype fusion" in page and "by multi-head distillation" not in page


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('["a", "b"]', '["a", "z"]', "pools.two: there is no teacher 'z'"),
        ('students = ["all"]', 'students = ["none"]', "students: there is no pool 'none'"),
        ("title", "titel", "titel: there is no such key; see docs/tables.md"),
        ("steps = 40", "step = 40", "student.step: there is no such key"),
        ("more-labels = 0.2", "more-labels = 0.1", "more-labels: 0.1 is no more than"),
    ],
)
def test_faults_are_sentences(path: Path, old: str, new: str, sentence: str) -> None:
    assert kind_of(path) == "selection"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ScenarioError, match=sentence):
        load(path)


def test_costs_are_what_is_asked(path: Path) -> None:
    scenario = load(path).scenario
    assert cost("leep", scenario) == (30, 30)
    assert cost("mutual-information", scenario) == (286, 286)
    assert cost("look: occlusion", scenario) == (16, 16 * 50)
    assert cost("fedsa-score (grad-cam, raw)", scenario) == (16, 48)
    assert cost(PUBLISHED, scenario) == (16, 48)
    assert cost("default", scenario) == (30 + 256 + 16, 30 + 256 + 16 * 50)
    assert cost("random", scenario) == (0, 0)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ('lie = "flipped-labels"', "scenario.teachers 'c': .* honest teachers .* take out lie"),
        ('policy = { calls = ["predict"] }', "take out policy"),
        ('task = "area"', "take out task"),
    ],
)
def test_what_it_would_not_measure_is_refused(path: Path, given: str, sentence: str) -> None:
    last = '{ id = "c", model = "mlp", data = "digits-table", items = 50 }'
    assert last in TABLE
    path.write_text(TABLE.replace(last, last.replace("items", f"{given}, items")))
    with pytest.raises(ScenarioError, match=sentence):
        load(path)


def test_students_need_what_they_follow_from(
    path: Path, tmp_path: Path, made_up: list[Any]
) -> None:
    path.write_text(TABLE.replace('title = "Small"', 'title = "Small"\ntruth-students = 2'))
    making = Making(load(path), [0], tmp_path / "out", "")
    with pytest.raises(RunError, match="truth, estimates, truth 2 of seed 0 is not measured"):
        making.make([("students", 0)], print)
    making.make([("truth", 0), ("estimates", 0)], print)
    with pytest.raises(RunError, match="and truth 2 of seed 0 is not measured: ask for it too"):
        making.make([("students", 0)], print)
    assert [kind for kind, _ in made_up] == ["truth", "estimates"]


def test_what_only_some_seeds_have_waits_for_the_others(
    path: Path, tmp_path: Path, made_up: list[Any]
) -> None:
    making = Making(load(path), [0, 1], tmp_path / "out", "")
    making.make(list(making.missing()), print)
    # Seed 0 was measured again with an estimator, and a way to select, that are new.
    for file in (tmp_path / "out" / "small" / "results").glob("*.json"):
        record = json.loads(file.read_text())
        if record["seed"] == 0 and record["kind"] == "estimates":
            stand = record["figures"]["students"]["few"]
            stand["scores"] = {"new": stand["scores"]["leep"], **stand["scores"]}
        if record["seed"] == 0 and record["kind"] == "students":
            record["figures"]["all"]["accuracy"]["new"] = 0.5
        file.write_text(json.dumps(record))
    page = Making(load(path), [0, 1], tmp_path / "out", "").write().read_text()
    assert "| new |" not in page and "| leep |" in page
    page = Making(load(path), [0], tmp_path / "out", "").write().read_text()
    assert page.count("| new |") == 3  # ranks, tau by student, students


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ('title = "Small"', 'title = "Small"\ntruth-steps = 601', "truth students"),
        ('title = "Small"', 'title = "Small"\nstudent-steps = 601', "estimates students"),
        ("more-labels = 0.2", "more-labels = 0.3", "estimates students"),
        ('title = "Small"', 'title = "Small"\ntruth-students = 2', "students"),
        ('students = ["all"]', 'students = ["two"]', "students"),
        ("items = 300", "items = 301", "truth estimates students"),
    ],
)
def test_an_option_makes_other_cells_of_what_depends_on_it(
    path: Path, old: str, new: str, changed: str
) -> None:
    kinds = ("truth", "estimates", "students")
    before = {kind: measured.key(load(path), kind, 0) for kind in kinds}
    path.write_text(TABLE.replace(old, new))
    after = {kind: measured.key(load(path), kind, 0) for kind in kinds}
    assert {kind for kind in kinds if before[kind] != after[kind]} == set(changed.split())
