"""Who gets which items: the transfer set, the labels, the test set and the private shards."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fedsa.data import label_file, resolve
from fedsa.data.allot import in_proportion
from fedsa.data.dataset import Dataset
from fedsa.data.draw import (
    at_random,
    class_numbers,
    content_keys,
    renumber,
    take,
    take_evenly,
    with_unlabelled,
)
from fedsa.data.shards import Shard, draw_shards
from fedsa.data.transfer import TransferSet
from fedsa.errors import DataError
from fedsa.options import TaskOptions
from fedsa.scenario import Scenario
from fedsa.seeding import numpy_generator
from fedsa.task import Classification, Several, Task

TEST_SHARE = 0.2
"""Held out for the test where the data has no test set of its own."""


@dataclass(frozen=True, eq=False)
class Split:
    """The data of a run, cut into parts that share no item.

    Parameters
    ----------
    transfer : TransferSet
        The items that teachers are asked about.
    labelled : np.ndarray
        ``(m,)`` int64, sorted indices of the transfer items whose labels are known.
    labels : np.ndarray
        ``(m,)`` int64, their labels, places in ``classes``.
    truth : np.ndarray
        ``(n,)`` int64, the labels of all transfer items: for the baseline ``supervised`` alone.
        Of several heads the rows of items without a label say nothing.
    complete : bool
        Whether the data knows the labels of all transfer items; else ``truth`` is -1 in some.
    test_inputs : np.ndarray
        ``(t, *shape)``, uint8 or float32 as the transfer set.
    test_labels : np.ndarray
        ``(t,)`` int64, places in ``classes``.
    classes : tuple[str, ...]
        The task's classes; none where it has several heads, and then all labels are float32 tables
        of the heads' columns.
    shards : Mapping[str, Shard]
        Private data by the teacher's id, in the pool's order; ready-made teachers have none.
    licence : str
        Licence of the task's data.
    also : tuple[tuple[str, ...], ...]
        What else teachers may call each of the classes; without, nothing.
    target : Task | None
        Several heads; None for a classification.
    masses : np.ndarray | None
        ``(m,)`` the share of the transfer set that each labelled item stands for, where a file
        tells it; None for labels drawn at random.
    held_inputs, held_labels : np.ndarray | None
        ``(h, *shape)`` and ``(h,)``: items drawn like the transfer set's that nobody is asked about
        and nothing is trained on, for the certificate; None if there is none.
    rows : np.ndarray
        ``(n,)`` int64, the place of each transfer item in the data.
    """

    transfer: TransferSet
    labelled: np.ndarray
    labels: np.ndarray
    truth: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]
    shards: Mapping[str, Shard]
    licence: str = "unknown"
    also: tuple[tuple[str, ...], ...] = ()
    target: Task | None = None
    masses: np.ndarray | None = None
    held_inputs: np.ndarray | None = None
    held_labels: np.ndarray | None = None
    complete: bool = True
    rows: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def task(self) -> Task:
        """What is predicted."""
        return self.target or Classification(self.classes, self.also)

    def check_labels(self) -> None:
        """Refuse what nothing could be learnt from, or measured on.

        Raises
        ------
        DataError
            If no transfer item is labelled, or there is no test item.
        """
        if not len(self.labelled):
            raise DataError(
                "task.data: no item has a label; fedsa suggest-labels proposes which to label, and "
                "task.labelled takes the file that it writes."
            )
        if not len(self.test_inputs):
            raise DataError(
                "task.data: there is no labelled item to test on; give a test set (test_inputs and "
                "test_labels in an .npz file, test/<class>/ in a folder)."
            )


def split(scenario: Scenario) -> Split:
    """Draw every part of a scenario's data; same seed, same parts.

    The test set is drawn first, then the transfer set, out of it the certificate's items, the
    labels, and the shards. Where the data
    does not know all labels, the transfer set holds all items of known label that are not tested
    on, these are the labelled ones, and the others are filled up without. Items are
    told apart by content, so a teacher whose data has another name but holds the same items
    (the whole of which the task has a subset) does not get what another part has.

    Raises
    ------
    DataError
        If the data has too few items, lacks a class, or the labels would miss one.
    """
    task, seed = scenario.task, scenario.seed
    data = resolve(task.data)
    wanted, classes, places = _targets(data, task)
    if strange := sorted(set(task.also) - set(classes)):
        raise DataError(
            f"task.also: there is no class '{strange[0]}' in the task; its classes are "
            f"{', '.join(classes)}."
        )
    heads = _heads(data, task)
    tested, chosen = _test(data, wanted, task.test_items, seed)
    test_inputs = (data.test_inputs if tested else data.inputs)[chosen]
    test_labels = (data.test_labels if tested else data.labels)[chosen]
    used = content_keys(test_inputs)
    free = np.flatnonzero(~np.isin(content_keys(data.inputs), used))
    draw, complete = numpy_generator(seed, "transfer"), data.complete
    pick = take_evenly if complete else with_unlabelled
    picked = pick(draw, data.labels, free, wanted, task.items, "task.items")
    held = _held(len(picked), scenario.certificate.labels, complete, seed)
    held, picked = picked[held], np.delete(picked, held)
    numbers = renumber(data.labels[picked], wanted)
    truth = np.where(numbers < 0, -1, places[numbers])
    labelled = _labelled(truth, task, classes, seed) if complete else _told(truth, task)
    transfer = TransferSet(data.inputs[picked])
    used = np.concatenate([used, content_keys(transfer.array), content_keys(data.inputs[held])])
    parts = Split(
        transfer=transfer,
        labelled=labelled,
        labels=truth[labelled],
        truth=truth,
        test_inputs=test_inputs,
        test_labels=places[renumber(test_labels, wanted)],
        classes=classes,
        also=tuple((*task.groups.get(name, ()), *task.also.get(name, ())) for name in classes),
        shards=draw_shards(
            [one for one in scenario.pool() if one.file is None], seed, {task.data: data}, used
        ),
        licence=data.licence,
        complete=complete,
        rows=picked,
    )
    if heads is not None:
        known = _columns(data, heads)
        parts = replace(
            parts,
            labels=known[picked[labelled]],
            truth=known[picked],
            test_labels=(_columns(data, heads, test=True) if tested else known)[chosen],
            classes=(),
            also=(),
            target=heads,
        )
    if len(held):
        truth = places[renumber(data.labels[held], wanted)]
        parts = replace(parts, held_inputs=data.inputs[held], held_labels=truth)
    return parts if task.labelled is None else _given(parts, Path(task.labelled))


def _given(parts: Split, path: Path) -> Split:
    """Take the labelled items of a file; where it tells no class, the data's own label."""
    found = label_file.read(path, parts.transfer.array, parts.classes)
    labels = parts.truth[found.items]
    if parts.target is None:
        labels = np.where(found.labels < 0, labels, found.labels)
    missing = found.items[(found.labels < 0) & ~np.isin(found.items, parts.labelled)]
    if not parts.complete and len(missing):
        raise DataError(
            f"task.labelled: '{path}': the item {missing[0]} has no class there, and no label in "
            "the data: fill it in, or leave the line out."
        )
    return replace(parts, labelled=found.items, labels=labels, masses=found.masses)


def _held(count: int, labels: int, complete: bool, seed: int) -> np.ndarray:
    """Draw the certificate's items, at random and before any label: the bound is on all items.

    What labelled items leave of uneven classes is no random sample of them.
    """
    if not labels:
        return np.empty(0, dtype=np.int64)
    if not complete:
        raise DataError(
            "certificate.labels: the certificate's items are drawn from the transfer set, so the "
            "data has to know all labels; leave the key out."
        )
    if labels >= count:
        raise DataError(
            f"certificate.labels: {labels} items are wanted for the certificate, but there are "
            f"only {count}, some of which have to be asked about; lower it, or raise task.items."
        )
    return np.sort(numpy_generator(seed, "certificate").choice(count, labels, replace=False))


def _targets(data: Dataset, task: TaskOptions) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """Return the data's classes to draw from, the task's classes, and each one's place in these."""
    if not task.groups:
        wanted = class_numbers(data, task.classes, "task.classes")
        return wanted, tuple(data.classes[n] for n in wanted), np.arange(len(wanted))
    # In the data's own order, so that groups of all classes are drawn as the classes would be.
    wanted = np.sort(class_numbers(data, task.named, "task.groups"))
    place = {name: i for i, group in enumerate(task.groups.values()) for name in group}
    return wanted, tuple(task.groups), np.array([place[data.classes[n]] for n in wanted])


def _heads(data: Dataset, task: TaskOptions) -> Several | None:
    """Return the heads of a task that has several."""
    if not task.heads:
        return None
    return Several({name: data.target(name, "task.heads").task for name in task.heads})


def _columns(data: Dataset, heads: Several, test: bool = False) -> np.ndarray:
    """Return the labels of all heads side by side, ``(n, width)`` float32."""
    targets = [data.targets[name] for name in heads.tasks]
    columns = [target.test_labels if test else target.labels for target in targets]
    return np.column_stack(columns).astype(np.float32)


def _test(data: Dataset, wanted: np.ndarray, items: int, seed: int) -> tuple[bool, np.ndarray]:
    """Return which items are tested on, and whether these are the data's own test set."""
    tested = len(data.test_inputs) > 0
    labels = data.test_labels if tested else data.labels
    room = np.isin(labels, wanted).sum()
    if not tested:
        room = np.ceil(TEST_SHARE * np.isin(labels, wanted).sum())
    draw, free = numpy_generator(seed, "test"), np.arange(len(labels))
    chosen = take_evenly(draw, labels, free, wanted, items or int(room), "task.test-items")
    return tested, chosen


def _told(truth: np.ndarray, task: TaskOptions) -> np.ndarray:
    """Return the transfer items whose label the data knows."""
    fields, given = type(task).model_fields, ("label_draw", "labels_per_class")
    for name in given:
        if getattr(task, name) != fields[name].default:
            raise DataError(
                f"task.{name.replace('_', '-')}: some items of the data have no label, so those "
                "that have one are the labelled ones; leave the key out."
            )
    return np.flatnonzero(truth >= 0)


def _labelled(
    truth: np.ndarray, task: TaskOptions, classes: tuple[str, ...], seed: int
) -> np.ndarray:
    counts = np.bincount(truth, minlength=len(classes))
    if not counts.all():
        raise DataError(
            f"task.items: among {len(truth)} items there is none of the class "
            f"'{classes[int(counts.argmin())]}'; raise it, or leave the class out."
        )
    labels = task.labels(len(classes))
    if task.labelled is not None:  # what is drawn here is replaced by the file's
        labels = max(labels, len(classes))
    if task.labels_per_class is not None and task.labels_per_class > counts.min():
        raise DataError(
            f"task.labels-per-class: {task.labels_per_class} are wanted but among {len(truth)} "
            f"items there are {counts.min()} of the class '{classes[int(counts.argmin())]}'; lower "
            "it, or raise task.items."
        )
    if labels < len(classes):
        least = math.ceil(len(classes) / len(truth) * 1e4) / 1e4
        raise DataError(
            f"task.label-share: {task.label_share} of {len(truth)} items is {labels} labels, which "
            f"leaves a class of {len(classes)} without an example; the least share that works is "
            f"{least}."
        )
    draw = numpy_generator(seed, "labels")
    even = task.labels_per_class is not None
    if task.label_draw == "at random" and not even:
        return at_random(draw, truth, labels)
    free, wanted = np.arange(len(truth)), np.arange(len(classes))
    each = np.full(len(classes), task.labels_per_class) if even else in_proportion(labels, counts)
    return np.sort(take(draw, truth, free, wanted, each))
