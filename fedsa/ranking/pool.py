"""A simulated pool in one process: the problem, and teachers that answer as in a federation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from fedsa.data.splits import split
from fedsa.data.transfer import to_float
from fedsa.fusion.training import outputs
from fedsa.messages import CompactAnswers
from fedsa.pools import build_pool
from fedsa.problem import Answers, Problem
from fedsa.runs.conduct import make_problem
from fedsa.saliency import maps
from fedsa.saliency.compact import CompactMaps, compact
from fedsa.scenario import Scenario
from fedsa.teacher.teacher import Teacher
from fedsa.whitebox.owners import owners
from fedsa.whitebox.reference import cam

Progress = Callable[[str], None]


class Pool:
    """A scenario's problem and all its teachers.

    Parameters
    ----------
    scenario : Scenario
        Its teachers are trained where that was not done before.
    progress : Callable[[str], None]
        Told what is being done.
    """

    def __init__(self, scenario: Scenario, progress: Progress = lambda text: None) -> None:
        self.scenario, self.progress = scenario, progress
        self._parts = split(scenario)
        folder = build_pool(
            scenario, self._parts, lambda name, done, of: progress(f"teachers, {done} of {of}")
        )
        names = sorted(options.id for options in scenario.pool())
        self.teachers = {name: Teacher.load(folder / name / "teacher.toml") for name in names}
        self._owners = owners(scenario, self._parts)
        self.problem = make_problem(scenario, self._parts)
        self._looks: dict[str, dict[str, CompactMaps]] = {}

    def with_labels(self, share: float) -> Problem:
        """Return the same problem, the same transfer set, with another share of labels."""
        labels = {"label_share": share, "labels_per_class": None}
        task = self.scenario.task.model_copy(update=labels)
        scenario = self.scenario.model_copy(update={"task": task})
        return make_problem(scenario, split(scenario))

    @cached_property
    def answers(self) -> Answers:
        """Every teacher's answers on the whole transfer set, rounded as they travel."""
        form, items = self.scenario.federation.answer_form, self.problem.transfer.array
        found = {}
        for name, teacher in self.teachers.items():
            self.progress(f"answers of {name}")
            rows = CompactAnswers.encode(teacher.predict(items), form).dense()
            found[name] = torch.from_numpy(rows)
        told = {name: teacher.card.classes for name, teacher in self.teachers.items()}
        return Answers(found, names={name: own for name, own in told.items() if own is not None})

    def looks(self, method: str) -> dict[str, CompactMaps]:
        """Return every teacher's compact maps of the probe items; they are made once."""
        if method not in self._looks:
            options, found = self.scenario.saliency, {}
            items = self.problem.transfer.array[self.problem.probe.numpy()]
            for name, teacher in self.teachers.items():
                self.progress(f"{method} of {name}")
                found[name] = teacher.compact_maps(items, method, options.grid, options.bits)
            self._looks[method] = found
        return self._looks[method]

    @cached_property
    def cams(self) -> dict[str, Tensor]:
        """Every teacher's maps as FedSA's authors make them, ``(probe, cells)`` float32."""
        items = self.problem.inputs[self.problem.probe]
        return {owner.id: cam(owner.network, items) for owner in self._owners}

    def look(self, student: nn.Module, method: str) -> CompactMaps:
        """Return a student's compact maps of the probe items."""
        options, items = self.scenario.saliency, self.problem.inputs[self.problem.probe]
        return compact(maps(method, student, items), options.grid, options.bits)

    def accuracy(self, student: nn.Module) -> float:
        """Return the share of the test set that a student tells right."""
        inputs, labels = self._test
        return float(self.problem.task.metric(outputs(student, inputs), labels))

    def own_accuracy(self) -> dict[str, float]:
        """Return the share of its own private items that each teacher tells right.

        It was trained on them, so this is what an institution without a test set of its own
        could say of its teacher.
        """
        found = {}
        for name, teacher in self.teachers.items():
            shard = self._parts.shards[name]
            told = teacher.predict(shard.inputs).argmax(axis=1)
            found[name] = float(np.mean(told == shard.labels))
        return found

    @cached_property
    def _test(self) -> tuple[Tensor, Tensor]:
        return to_float(self._parts.test_inputs), torch.from_numpy(self._parts.test_labels)
