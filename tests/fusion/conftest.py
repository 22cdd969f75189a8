"""A small real task, handwritten digits, with teachers whose answers are made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import pytest
import torch
from torch import Tensor

from fedsa.data import resolve
from fedsa.data.transfer import TransferSet
from fedsa.fusion.training import outputs
from fedsa.models import build
from fedsa.options import StudentOptions
from fedsa.problem import Answers, Problem
from fedsa.task import Classification

ITEMS, LABELS = 300, 30
KNOWN = {"even": [0, 2, 4, 6, 8], "high": [5, 6, 7, 8, 9], "low": [0, 1, 2, 3, 4]}


@dataclass(frozen=True)
class Case:
    """A problem, its teachers' answers, and the truth that no fusion sees."""

    problem: Problem
    answers: Answers
    truth: Tensor

    def accuracy(self, student: torch.nn.Module) -> float:
        """Accuracy on the items whose labels were not given."""
        hidden = torch.ones(ITEMS, dtype=torch.bool)
        hidden[self.problem.labelled] = False
        raw = outputs(student, self.problem.inputs[hidden])
        return self.problem.task.metric(raw, self.truth[hidden])


def answer(truth: Tensor, known: list[int], seed: int) -> Tensor:
    """Return what a teacher of the classes ``known`` says: sure of them, at a loss elsewhere."""
    generator = torch.Generator().manual_seed(seed)
    evidence = 5.0 * (truth[:, None] == torch.tensor(known)).float()
    return (evidence + torch.randn(evidence.shape, generator=generator)).softmax(dim=1)


WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def with_names(case: Case, answers: Answers | None = None) -> Case:
    """Return the case where classes have names, which the teachers of ``KNOWN`` tell."""
    told = {teacher: [WORDS[digit] for digit in known] for teacher, known in KNOWN.items()}
    answers = Answers(case.answers if answers is None else answers, names=told)
    return replace(case, problem=replace(case.problem, task=Classification(WORDS)), answers=answers)


def few(case: Case, each: int) -> Case:
    """Return the case with so many labels of each class."""
    problem = case.problem
    kept = torch.cat([(problem.labels == c).nonzero()[:each, 0] for c in range(10)])
    fewer = replace(problem, labelled=problem.labelled[kept], labels=problem.labels[kept])
    return replace(case, problem=fewer)


def make_case() -> Case:
    data = resolve("digits-table")
    truth = torch.from_numpy(data.labels[:ITEMS])
    labelled = torch.cat([(truth == c).nonzero()[: LABELS // 10, 0] for c in range(10)])
    problem = Problem(
        task=Classification(data.classes),
        transfer=TransferSet(data.inputs[:ITEMS]),
        labelled=labelled,
        labels=truth[labelled],
        probe=torch.arange(8),
        build=partial(build, "mlp", (64,), seed=1),
        student=StudentOptions(model="mlp", embedding=16, steps=100, batch=32),
        seed=5,
    )
    answers = {name: answer(truth, known, i) for i, (name, known) in enumerate(KNOWN.items())}
    return Case(problem, Answers(answers), truth)


@pytest.fixture(scope="session")
def case() -> Case:
    return make_case()


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
