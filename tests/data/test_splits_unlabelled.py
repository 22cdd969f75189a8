"""Items without a label are transferred, and are in no part that needs labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsa.data import resolve
from fedsa.data.draw import content_keys
from fedsa.data.splits import split
from fedsa.errors import DataError
from fedsa.scenario import Scenario
from tests.data.toys import assert_disjoint, scenario


def with_gaps(path: Path, every: int = 5, **changes: Any) -> str:
    """Write digits of which one in so many has a label, and a test set."""
    data = resolve("digits")
    labels = data.labels.copy()
    labels[np.arange(len(labels)) % every > 0] = -1
    arrays = {"inputs": data.inputs, "labels": labels, "classes": np.array(data.classes)}
    arrays |= {"test_inputs": data.test_inputs, "test_labels": data.test_labels}
    np.savez(path, **{k: v for k, v in (arrays | changes).items() if v is not None})
    return str(path)


def unlabelled(path: str, *teachers: dict[str, Any], **task: Any) -> Scenario:
    given = {"data": path, "items": 600, "label-share": 0.01, "test-items": 0} | task
    return scenario(3, given, *teachers)


def test_items_without_a_label_fill_the_transfer_set(tmp_path: Path) -> None:
    data = resolve("digits")
    path = with_gaps(tmp_path / "gaps.npz")
    found = split(unlabelled(path))
    assert len(found.transfer) == 600 and not found.complete
    known = content_keys(data.inputs[::5])
    assert set(content_keys(found.transfer.array[found.labelled])) == set(known)
    true = dict(zip(content_keys(data.inputs).tolist(), data.labels.tolist(), strict=True))
    own = content_keys(found.transfer.array[found.labelled]).tolist()
    assert [true[key] for key in own] == found.labels.tolist()
    hidden = np.setdiff1d(np.arange(600), found.labelled)
    assert (found.truth[hidden] == -1).all() and (found.truth[found.labelled] >= 0).all()
    # Their places do not tell which items have a label.
    assert 0.3 < found.labelled.mean() / 600 < 0.7
    found.check_labels()
    assert (split(unlabelled(path)).transfer.array == found.transfer.array).all()


def test_without_a_test_set_labelled_items_are_tested_on(tmp_path: Path) -> None:
    path = with_gaps(tmp_path / "gaps.npz", test_inputs=None, test_labels=None)
    found = split(unlabelled(path))
    assert_disjoint(found)
    assert len(found.test_inputs) == 60 and len(found.labelled) == 240


def test_a_simulated_teacher_learns_from_labelled_items_only(tmp_path: Path) -> None:
    gaps, few = with_gaps(tmp_path / "gaps.npz"), {"items": 40}
    wanted = unlabelled(gaps, {"data": gaps} | few, data="noise", items=100, **{"label-share": 0.1})
    (shard,) = split(wanted).shards.values()
    data = resolve("digits")
    assert set(content_keys(shard.inputs)) <= set(content_keys(data.inputs[::5]))


def test_the_labels_of_a_file_join_items_without(tmp_path: Path) -> None:
    path = with_gaps(tmp_path / "gaps.npz", labels=np.full(1500, -1))
    bare = split(unlabelled(path))
    assert not len(bare.labelled)
    with pytest.raises(DataError, match=r"no item has a label; fedsa suggest-labels"):
        bare.check_labels()
    file = tmp_path / "labels.csv"
    file.write_text("item,class\n5,3\n17,4\n")
    found = split(unlabelled(path, labelled=str(file)))
    assert found.labelled.tolist() == [5, 17] and found.labels.tolist() == [3, 4]
    found.check_labels()
    file.write_text("item,class\n5,3\n17,\n")
    with pytest.raises(DataError, match=r"the item 17 has no class there, and no label in the"):
        split(unlabelled(path, labelled=str(file)))


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ({"items": 1600}, "300 with a label, .* and 1200 without; set it to a number from 300 to"),
        ({"items": 200}, "set it to a number from 300 to 1500"),
        ({"labels-per-class": 2}, "task.labels-per-class: some items of the data have no label"),
        ({"label-draw": "at random"}, "task.label-draw: some items"),
    ],
)
def test_what_does_not_go_with_items_without_a_label(
    tmp_path: Path, task: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        split(unlabelled(with_gaps(tmp_path / "gaps.npz"), **task))


def test_a_certificate_needs_all_labels(tmp_path: Path) -> None:
    wanted = unlabelled(with_gaps(tmp_path / "gaps.npz"))
    certified = wanted.certificate.model_copy(update={"labels": 50})
    with pytest.raises(DataError, match="has to know all labels"):
        split(wanted.model_copy(update={"certificate": certified}))


def test_nothing_to_test_on_is_told(tmp_path: Path) -> None:
    path = with_gaps(
        tmp_path / "gaps.npz", labels=np.full(1500, -1), test_inputs=None, test_labels=None
    )
    file = tmp_path / "labels.csv"
    file.write_text("item,class\n5,3\n17,4\n")
    with pytest.raises(DataError, match="no labelled item to test on"):
        split(unlabelled(path, labelled=str(file))).check_labels()
