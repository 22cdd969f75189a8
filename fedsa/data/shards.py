"""Private shards: what each simulated teacher alone has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedsa.data import resolve
from fedsa.data.allot import match
from fedsa.data.dataset import Dataset
from fedsa.data.draw import class_numbers, content_keys, renumber, take
from fedsa.errors import DataError
from fedsa.options import TeacherOptions
from fedsa.seeding import numpy_generator
from fedsa.task import Classification, Task


@dataclass(frozen=True, eq=False)
class Shard:
    """A simulated teacher's private data.

    Parameters
    ----------
    inputs : np.ndarray
        ``(n, *shape)``.
    labels : np.ndarray
        ``(n,)`` places in the classes, or ``(n, outputs)`` values.
    classes : tuple[str, ...]
        Names of the teacher's outputs.
    licence : str
        Of the data.
    target : Task | None
        What the teacher learns; None for the classes.
    """

    inputs: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    licence: str = "unknown"
    target: Task | None = None

    @property
    def task(self) -> Task:
        """What the teacher learns."""
        return self.target or Classification(self.classes)


def draw_shards(
    pool: Sequence[TeacherOptions], seed: int, loaded: dict[str, Dataset], used: np.ndarray
) -> dict[str, Shard]:
    """Give every teacher its shard, out of its dataset's training part.

    Parameters
    ----------
    pool : Sequence[TeacherOptions]
        The teachers; the shards of those with the same dataset are drawn together.
    seed : int
        Root of the draws.
    loaded : dict[str, Dataset]
        Datasets already loaded, by name.
    used : np.ndarray
        Content keys of the items that no shard may hold.

    Raises
    ------
    DataError
        If a dataset has not enough items, or lacks a class.
    """
    shards: dict[str, Shard] = {}
    for source in dict.fromkeys(teacher.data for teacher in pool):
        data = loaded.get(source) or resolve(source)
        keys = content_keys(data.inputs)
        # Of items that are in the data twice only one is free, else two teachers might share it.
        first = np.zeros(len(keys), bool)
        first[np.unique(keys, return_index=True)[1]] = True
        free = np.flatnonzero(first & (data.labels >= 0) & ~np.isin(keys, used))
        teachers = [teacher for teacher in pool if teacher.data == source]
        for teacher, own, chosen in _private(seed, data, free, teachers):
            used = np.concatenate([used, keys[chosen]])
            inputs = data.inputs[chosen]
            if teacher.task is None:
                labels = _spoil(renumber(data.labels[chosen], own), len(own), teacher, seed)
                names = tuple(data.classes[number] for number in own)
                shards[teacher.id] = Shard(inputs, labels, names, data.licence)
                continue
            target = data.target(teacher.task, f"teachers '{teacher.id}': task")
            labels = _spoil(target.labels[chosen], target.task.outputs, teacher, seed)
            names = target.task.names
            shards[teacher.id] = Shard(inputs, labels, names, data.licence, target.task)
    return {teacher.id: shards[teacher.id] for teacher in pool}


def _private(
    seed: int, data: Dataset, free: np.ndarray, teachers: list[TeacherOptions]
) -> list[tuple[TeacherOptions, np.ndarray, np.ndarray]]:
    numbers = [_classes(seed, data, teacher) for teacher in teachers]
    room = np.bincount(data.labels[free], minlength=len(data.classes))
    given = match([teacher.items for teacher in teachers], numbers, room)
    total = sum(teacher.items for teacher in teachers)
    if given.sum() < total:
        raise DataError(
            f"The teachers want {total} private items of '{data.name}', but beside the task's own "
            f"items it can give only {given.sum()} of the classes they name: lower their items, "
            "or task.items."
        )
    draw = numpy_generator(seed, "shards", data.name)
    out = []
    for teacher, own, counts in zip(teachers, numbers, given, strict=True):
        chosen = take(draw, data.labels, free, own, counts[own])
        free = np.setdiff1d(free, chosen, assume_unique=True)
        out.append((teacher, own, chosen))
    return out


def _classes(seed: int, data: Dataset, teacher: TeacherOptions) -> np.ndarray:
    key = f"teachers '{teacher.id}': classes"
    if not teacher.classes_each:
        return class_numbers(data, teacher.classes, key)
    if not 2 <= teacher.classes_each <= len(data.classes):
        raise DataError(
            f"{key}-each: {teacher.classes_each} must be from 2 to the {len(data.classes)} classes "
            f"of '{data.name}'."
        )
    draw = numpy_generator(seed, "classes", teacher.id)
    return np.sort(draw.choice(len(data.classes), teacher.classes_each, replace=False))


def _spoil(labels: np.ndarray, classes: int, teacher: TeacherOptions, seed: int) -> np.ndarray:
    draw = numpy_generator(seed, "label-noise", teacher.id)
    hit = draw.choice(len(labels), round(teacher.label_noise * len(labels)), replace=False)
    labels = labels.copy()
    # Values change places, as there is no end of numbers to draw from.
    mixed = labels[draw.permutation(hit)] if labels.ndim > 1 else None
    labels[hit] = draw.integers(0, classes, len(hit)) if mixed is None else mixed
    return labels
