"""A scenario is validated as a whole, and every fault names its key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedsa.app_folder import app_root
from fedsa.errors import ScenarioError
from fedsa.scenario import Scenario, load, parse

SMALL: dict[str, Any] = {
    "name": "small",
    "teachers": [{"id": "a"}, {"id": "b", "count": 3, "classes-each": 2}],
}


def faults(document: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(ScenarioError) as caught:
        parse(document)
    assert str(caught.value) == "\n".join(caught.value.faults)
    return caught.value.faults


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "s.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_all_faults_come_at_once_with_their_keys() -> None:
    found = faults(
        {
            "name": "two words",
            "rounds": 0,
            "sede": 3,
            "task": {"label-share": 1.5, "kind": "regression"},
            "student": {"steps": "many"},
            "selection": {"policy": "best"},
            "teachers": [{"id": "a"}, {"id": "B"}, {"items": 3, "noise": 1}],
        }
    )
    keys = [fault.split(":")[0] for fault in found]
    assert sorted(keys) == sorted(
        [
            "name",
            "rounds",
            "sede",
            "task.kind",
            "task.label-share",
            "student.steps",
            "selection.policy",
            "teachers[2].id",
            "teachers[3].id",
            "teachers[3].noise",
        ]
    )
    told = dict(zip(keys, found, strict=True))
    assert "there is no such key" in told["sede"]
    assert "required" in told["teachers[3].id"]
    assert "got 1.5" in told["task.label-share"] and "got 'many'" in told["student.steps"]


def test_faults_between_sections_come_at_once_too() -> None:
    found = faults(
        {
            "name": "x",
            "task": {"items": 100, "labels-per-class": 60, "classes": ["0", "1"]},
            "saliency": {"probe-items": 101},
            "selection": {"k": 3, "response-items": 102},
            "teachers": [
                {"id": "a-1", "classes": ["0", "1"], "classes-each": 2},
                {"id": "a", "count": 1},
                {"id": "a"},
            ],
        }
    )
    keys = [fault.split(":")[0] for fault in found]
    assert keys == [
        "teachers",
        "saliency.probe-items",
        "selection.response-items",
        "task.labels-per-class",
        "teachers 'a-1'",
    ]
    assert "'a' is used more than once" in found[0]
    assert "60 labels" in found[3] and "task.items (100)" in found[3]


def test_faults_of_the_task_come_at_once() -> None:
    task = {
        "items": 10,
        "classes": ["0", "1"],
        "groups": {"a": ["0", "1", "0"]},
        "labels-per-class": 6,
    }
    small = {"saliency": {"probe-items": 9}, "selection": {"response-items": 9}}
    found = faults({"name": "x", "task": task, **small})
    assert len(found) == 4
    assert "give classes or groups, not both" in found[0]
    assert "'0' is named twice" in found[1]
    assert "at least two groups" in found[2]
    assert found[3].startswith("task.labels-per-class: 6 labels of each of 2 classes")


def test_other_names_are_of_classes_that_there_are_and_of_one_each() -> None:
    task = {
        "classes": ["cat", "dog"],
        "also": {"cat": ["tom", "pet"], "dog": ["pet"], "cow": ["ox"]},
    }
    found = faults({"name": "x", "task": task})
    assert list(found) == [
        "task.also: there is no class 'cow' in the task; its classes are cat, dog.",
        "task.also: 'pet' is named for cat and dog; it can be the name of one class only.",
    ]
    groups = {"low": ["Coat"], "high": ["Sandal"]}
    (fault,) = faults({"name": "x", "task": {"groups": groups, "also": {"high": ["coat"]}}})
    assert fault.startswith("task.also: 'coat' is named for high and low")


def test_an_empty_group_is_refused() -> None:
    (fault,) = faults({"name": "x", "task": {"groups": {"a": [], "b": ["1"]}}})
    assert fault.startswith("task.groups.a:")


def test_k_may_not_exceed_the_pool_with_its_copies() -> None:
    assert parse(SMALL | {"selection": {"k": 4}}).selection.k == 4
    (fault,) = faults(SMALL | {"selection": {"k": 5}})
    assert fault.startswith("selection.k: 5 teachers") and "at most 4" in fault
    # Without a simulated pool nobody knows how many will come.
    assert parse({"name": "x", "selection": {"k": 5}}).selection.k == 5


def test_copies_have_ids_of_their_own() -> None:
    pool = parse(SMALL).pool()
    assert [teacher.id for teacher in pool] == ["a", "b-1", "b-2", "b-3"]
    assert {teacher.count for teacher in pool} == {1}
    assert [teacher.classes_each for teacher in pool] == [0, 2, 2, 2]
    clash = [{"id": "b-2"}, {"id": "b", "count": 3}]
    assert "'b-2' is used more than once" in faults({"name": "x", "teachers": clash})[0]


def test_overrides_are_toml_and_bare_words_are_strings(tmp_path: Path) -> None:
    path = write(tmp_path, 'name = "x"\nseed = 1\n[task]\nlabel-share = 0.5\n')
    found = load(
        path,
        [
            "task.label-share=0.05",
            "task.data=digits",
            'task.classes=["0", "1"]',
            " student.steps = 7 ",
        ],
        seed=9,
    )
    assert (found.task.label_share, found.task.data, found.seed) == (0.05, "digits", 9)
    assert found.task.classes == ("0", "1") and found.student.steps == 7
    assert load(path).seed == 1


def test_a_share_of_labels_takes_the_place_of_so_many_a_class(tmp_path: Path) -> None:
    path = write(tmp_path, 'name = "x"\n[task]\nlabels-per-class = 5\n')
    assert load(path).task.labels_per_class == 5
    task = load(path, ["task.label-share=0.05"]).task
    assert (task.label_share, task.labels_per_class) == (0.05, None)
    task = load(path, ["task.label-share=0.05", "task.labels-per-class=2"]).task
    assert task.labels_per_class == 2


def test_faults_of_overrides_come_with_the_others(tmp_path: Path) -> None:
    path = write(tmp_path, 'name = "x"\nrounds = -1\n')
    with pytest.raises(ScenarioError) as caught:
        load(path, ["seed", "name.first=1", "=3", "student.step=3", "teachers.id=a"])
    found = caught.value.faults
    assert [fault for fault in found if fault.startswith("--set seed:")]
    assert [fault for fault in found if fault.startswith("--set name.first=1:")]
    assert [fault for fault in found if fault.startswith("--set =3:")]
    assert [fault for fault in found if fault.startswith("student.step:")]
    assert [fault for fault in found if fault.startswith("rounds:")]
    assert [fault for fault in found if fault.startswith("teachers")]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="no scenario file '.*gone.toml'"):
        load(tmp_path / "gone.toml")
    with pytest.raises(ScenarioError, match="cannot be read"):
        load(tmp_path)
    path = write(tmp_path, 'name = "x"\nrounds = = 3\n')
    with pytest.raises(ScenarioError, match=r"s\.toml' is not valid TOML: .*line 2"):
        load(path)
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(ScenarioError, match="cannot be read"):
        load(path)


def test_a_document_parses_back_to_the_same_scenario() -> None:
    scenario = parse(SMALL | {"selection": {"policy": "top-k"}, "baselines": []})
    document = scenario.document()
    assert parse(json.loads(json.dumps(document))) == scenario
    assert document["task"]["label-share"] == 0.01 and document["baselines"] == []
    assert not any("_" in key for section in ("task", "student") for key in document[section])


def test_a_scenario_does_not_change() -> None:
    scenario = Scenario(name="x")
    with pytest.raises(ValueError, match="frozen"):
        scenario.seed = 3  # type: ignore[misc]


def test_the_scenarios_that_come_with_fedsa_are_valid() -> None:
    paths = sorted((app_root() / "simulations").glob("*.toml"))
    assert len(paths) >= 2
    for path in paths:
        scenario = load(path)
        assert scenario.name == path.stem and scenario.pool()
