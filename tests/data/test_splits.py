"""The parts of a run's data share nothing and hold what was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsa.data import resolve
from fedsa.data.draw import content_keys
from fedsa.data.splits import split
from fedsa.errors import DataError, ScenarioError
from fedsa.scenario import load, parse
from tests.data.toys import assert_disjoint, scenario

SIMULATIONS = Path(__file__).parents[2] / "simulations"


@pytest.mark.parametrize("name", ["quickstart", "digits_table"])
def test_the_scenarios_that_come_along_have_enough_data(name: str) -> None:
    wanted = load(SIMULATIONS / f"{name}.toml")
    found = split(wanted)
    assert_disjoint(found)
    assert len(found.transfer) == wanted.task.items
    assert len(found.labels) == round(wanted.task.label_share * wanted.task.items)
    for teacher in wanted.pool():
        shard = found.shards[teacher.id]
        assert len(shard.inputs) == len(shard.labels) == teacher.items
        assert set(shard.labels) == set(range(len(shard.classes)))
        assert teacher.classes in ((), shard.classes)
    assert sum(not teacher.relevant for teacher in wanted.pool()) in (1, 3)


def test_the_quickstart_is_balanced() -> None:
    found = split(load(SIMULATIONS / "quickstart.toml"))
    assert np.bincount(found.labels).tolist() == [6] * 10
    assert np.bincount(found.shards["footwear"].labels).tolist() == [175] * 4
    assert np.bincount(found.test_labels).tolist() == [200] * 10


def test_same_seed_same_parts_other_seed_other_parts() -> None:
    one, again, other = (split(scenario(seed, None, {"items": 50})) for seed in (1, 1, 2))
    assert one.transfer.hash == again.transfer.hash != other.transfer.hash
    assert np.array_equal(one.labelled, again.labelled)
    assert np.array_equal(one.shards["t0"].inputs, again.shards["t0"].inputs)
    assert not np.array_equal(one.shards["t0"].inputs, other.shards["t0"].inputs)


def test_more_labels_leave_the_transfer_set_and_the_shards_as_they_are() -> None:
    few, many = (split(scenario(0, {"label-share": share}, {"items": 50})) for share in (0.1, 1.0))
    assert few.transfer.hash == many.transfer.hash
    assert np.array_equal(few.shards["t0"].inputs, many.shards["t0"].inputs)
    assert many.labelled.tolist() == list(range(300))


def test_so_many_labels_of_each_class() -> None:
    found = split(scenario(0, {"labels-per-class": 3, "label-share": 1.0}))
    assert np.bincount(found.labels).tolist() == [3] * 10


def test_labels_drawn_whatever_their_class_do_not_show_the_class_shares() -> None:
    change = {"label-share": 0.1, "label-draw": "at random"}
    found = [split(scenario(seed, change)) for seed in (0, 0, 1)]
    counts = [np.bincount(one.labels, minlength=10) for one in found]
    assert all(count.sum() == 30 and count.min() > 0 for count in counts)
    assert counts[0].tolist() == counts[1].tolist() != counts[2].tolist()
    assert max(np.ptp(count) for count in counts) > 2  # by class each would have three
    every = split(scenario(0, change | {"labels-per-class": 2}))
    assert np.bincount(every.labels).tolist() == [2] * 10  # counted by class, not drawn


def test_groups_change_the_labels_and_nothing_else() -> None:
    groups = {"even": [f"noise {n}" for n in (8, 0, 2, 4, 6)]}
    groups["odd"] = [f"noise {n}" for n in (1, 3, 5, 7, 9)]
    fine = split(scenario(0, None, {"items": 50}))
    coarse = split(scenario(0, {"groups": groups, "labels-per-class": 4}, {"items": 50}))
    assert coarse.classes == ("even", "odd")
    assert coarse.task.also == tuple(tuple(own) for own in groups.values())
    assert coarse.transfer.hash == fine.transfer.hash
    assert np.array_equal(coarse.truth, fine.truth % 2)
    assert np.array_equal(coarse.test_labels, fine.test_labels % 2)
    assert np.bincount(coarse.labels).tolist() == [4, 4]
    assert np.array_equal(coarse.labels, coarse.truth[coarse.labelled])
    assert np.array_equal(coarse.shards["t0"].labels, fine.shards["t0"].labels)


def test_a_class_may_have_other_names() -> None:
    found = split(scenario(0, {"also": {"noise 3": ["hiss", "hum"]}}))
    assert found.task.also[2:4] == ((), ("hiss", "hum"))


def test_classes_of_no_group_are_left_out() -> None:
    groups = {"low": ["noise 4", "noise 1"], "high": ["noise 7"]}
    found = split(scenario(0, {"groups": groups, "items": 90}))
    assert np.bincount(found.truth).tolist() == [60, 30]


def test_the_certificates_items_are_in_no_other_part() -> None:
    without = split(scenario(0, {"label-share": 0.1}, {"items": 50}))
    asked = parse(
        {
            **scenario(0, {"label-share": 0.1}, {"items": 50}).document(),
            "certificate": {"labels": 40},
        }
    )
    found = split(asked)
    assert found.held_inputs is not None and found.held_labels is not None
    assert (len(found.transfer), len(found.held_inputs), len(found.labels)) == (260, 40, 30)
    held = content_keys(found.held_inputs)
    others = (found.transfer.array, found.test_inputs, found.shards["t0"].inputs)
    assert not any(np.isin(held, content_keys(part)).any() for part in others)
    # The shards are as they were.
    assert np.array_equal(found.truth[found.labelled], found.labels)
    assert np.array_equal(without.shards["t0"].inputs, found.shards["t0"].inputs)
    truth = dict(
        zip(content_keys(without.transfer.array).tolist(), without.truth.tolist(), strict=True)
    )
    assert found.held_labels.tolist() == [truth[key] for key in held.tolist()]


def test_the_certificates_items_are_a_random_sample_whatever_is_labelled() -> None:
    """Nearly all of the rare class is labelled; what that leaves would hardly have it."""
    groups = {"rare": ["noise 1"], "common": [f"noise {n}" for n in (0, 2, 3, 4, 5, 6, 7, 8)]}
    task = {"items": 270, "groups": groups, "labels-per-class": 24}
    rare = 0
    for seed in range(20):
        document = scenario(seed, task).document()
        found = split(parse({**document, "certificate": {"labels": 30}}))
        assert found.held_labels is not None
        rare += int((found.held_labels == 0).sum())
        assert np.bincount(found.labels).tolist() == [24, 24]
    assert 43 < rare < 93  # 600 draws, a ninth of them rare: 67 and four standard errors of 6.4


def test_the_labels_do_not_move_the_certificates_items() -> None:
    def held(task: dict[str, Any]) -> list[int]:
        document = scenario(0, task).document()
        found = split(parse({**document, "certificate": {"labels": 40}}))
        assert found.held_inputs is not None
        return list(content_keys(found.held_inputs))

    assert held({"label-share": 0.1}) == held({"label-share": 0.2}) == held({"labels-per-class": 2})


def test_more_labels_for_the_certificate_than_items_are_refused() -> None:
    document = scenario(0, {"label-share": 0.1}).document()
    assert len(split(parse({**document, "certificate": {"labels": 200}})).labelled) == 30
    with pytest.raises(ScenarioError, match="271 items for the certificate and 30 with labels"):
        parse({**document, "certificate": {"labels": 271}})
    document = scenario(0, {"labels-per-class": 1}).document()
    with pytest.raises(DataError, match="certificate.labels: 300 .* only 300"):
        split(parse({**document, "certificate": {"labels": 300}}))


def test_labels_are_those_of_the_items() -> None:
    data = resolve("noise")
    found = split(scenario(0, {"classes": ["noise 7", "noise 2", "noise 5"]}))
    truth = dict(zip(content_keys(data.inputs).tolist(), data.labels.tolist(), strict=True))
    keys = content_keys(found.transfer.array[found.labelled]).tolist()
    assert [[7, 2, 5][label] for label in found.labels] == [truth[key] for key in keys]
    truth = dict(
        zip(content_keys(data.test_inputs).tolist(), data.test_labels.tolist(), strict=True)
    )
    keys = content_keys(found.test_inputs).tolist()
    assert [[7, 2, 5][label] for label in found.test_labels] == [truth[key] for key in keys]


def test_shards_hold_their_own_classes_renumbered() -> None:
    data = resolve("digits")
    teacher = {"data": "digits", "items": 60, "classes": ["8", "3"]}
    shard = split(scenario(0, None, teacher)).shards["t0"]
    truth = dict(zip(content_keys(data.inputs).tolist(), data.labels.tolist(), strict=True))
    assert [[8, 3][label] for label in shard.labels] == [
        truth[key] for key in content_keys(shard.inputs).tolist()
    ]
    assert shard.classes == ("8", "3")
    assert shard.licence == "CC-BY-4.0"


def test_data_without_a_test_set_gives_a_fifth_of_its_items(tmp_path: Path) -> None:
    table = np.random.default_rng(0).normal(size=(100, 3))
    np.savez(tmp_path / "mine.npz", inputs=table, labels=np.arange(100) % 4)
    mine = {"data": str(tmp_path / "mine.npz"), "items": 40, "test-items": 0}
    found = split(scenario(0, mine, {"data": str(tmp_path / "mine.npz"), "items": 40}))
    assert np.bincount(found.test_labels).tolist() == [5] * 4
    assert_disjoint(found)


def test_the_same_items_under_another_name_are_not_given_again(tmp_path: Path) -> None:
    table = np.random.default_rng(0).normal(size=(100, 3))
    for name in ("one", "two"):
        np.savez(tmp_path / f"{name}.npz", inputs=table, labels=np.arange(100) % 2)
    task = {"data": str(tmp_path / "one.npz"), "items": 40, "test-items": 20}
    other = {"data": str(tmp_path / "two.npz"), "items": 40}
    assert_disjoint(split(scenario(0, task, other)))
    with pytest.raises(DataError, match="want 41 private items of 'two.npz'.* only 40"):
        split(scenario(0, task, other | {"items": 41}))


def test_items_that_are_twice_in_the_data_go_to_one_teacher_only(tmp_path: Path) -> None:
    table = np.repeat(np.random.default_rng(0).normal(size=(40, 3)), 2, axis=0)
    np.savez(tmp_path / "two.npz", inputs=table, labels=np.arange(80) // 2 % 2)
    twin = {"data": str(tmp_path / "two.npz"), "items": 20}
    assert_disjoint(split(scenario(0, None, twin, twin)))


def test_classes_are_drawn_for_each_copy() -> None:
    copies = split(scenario(0, None, {"items": 20, "classes-each": 3, "count": 8})).shards
    assert list(copies) == [f"t0-{copy}" for copy in range(1, 9)]
    assert all(len(shard.classes) == 3 for shard in copies.values())
    assert len({shard.classes for shard in copies.values()}) > 3


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_label_noise_changes_its_share_of_labels(share: float) -> None:
    clean = split(scenario(0, None, {"items": 1000})).shards["t0"]
    noisy = split(scenario(0, None, {"items": 1000, "label-noise": share})).shards["t0"]
    assert np.array_equal(clean.inputs, noisy.inputs)
    changed = (clean.labels != noisy.labels).mean()
    assert changed == pytest.approx(0.9 * share, abs=0.04)  # one in ten draws is the true label


@pytest.mark.parametrize(
    ("task", "teacher", "sentence"),
    [
        ({"items": 5000}, {}, r"task.items: 5000 items are wanted but the data has 4000"),
        ({"test-items": 1001}, {}, "task.test-items: 1001 .* at most 1000"),
        ({"classes": ["noise 1", "cat"]}, {}, "'cat' is not a class of 'noise'; it has noise 0"),
        ({"label-share": 0.02}, {}, "is 6 labels, .* least share that works is 0.0334"),
        ({"items": 8}, {}, "none of the class"),
        ({"labels-per-class": 31}, {}, "task.labels-per-class: 31 .* there are 30 of the class"),
        ({"groups": {"a": ["noise 1"], "b": ["cat"]}}, {}, "task.groups: 'cat' is not a class"),
        (
            {"also": {"cat": ["tom"]}},
            {},
            "task.also: there is no class 'cat' in .* noise 0",
        ),
        ({}, {"items": 3701}, "want 3701 private items of 'noise'.* give only 3700"),
        ({}, {"classes-each": 11}, "'t0': classes-each: 11 must be from 2 to the 10"),
        ({}, {"classes": ["noise 1"]}, "'t0': classes: at least two classes"),
    ],
)
def test_each_fault_is_a_sentence(
    task: dict[str, Any], teacher: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        split(scenario(0, task, teacher))


def test_the_least_share_works() -> None:
    assert len(split(scenario(0, {"label-share": 0.0334})).labels) == 10


def test_a_file_of_labels_needs_no_share(tmp_path: Path) -> None:
    share = {"label-share": 0.002}  # one of 300 items, for ten classes
    with pytest.raises(DataError, match="leaves a class of 10 without an example"):
        split(scenario(0, share))
    path = tmp_path / "labels.csv"
    path.write_text("item\n" + "\n".join(str(item) for item in range(30)))
    found = split(scenario(0, share | {"labelled": str(path)}))
    assert found.labelled.tolist() == list(range(30))
    assert np.array_equal(found.labels, found.truth[:30])
