"""A small made task with teachers whose usefulness is known by construction."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fedsa.data.transfer import TransferSet
from fedsa.options import StudentOptions
from fedsa.problem import Answers, Problem
from fedsa.selection.base import Evidence
from fedsa.task import Classification

CLASSES, ITEMS, WIDTH = 6, 400, 20


def make(seed: int, each: int, teachers: int = 5) -> Evidence:
    """Return evidence with ``teachers`` useful ones and three decoys, ``each`` labels a class.

    A useful teacher knows three of the six classes and is unsure of the others. ``decoy-noise``
    answers at random, ``decoy-domain`` by a direction of the inputs that has no part in the task,
    ``decoy-constant`` hardly varies.
    """
    generator = torch.Generator().manual_seed(seed)
    truth = torch.arange(ITEMS) % CLASSES
    centres = torch.randn((CLASSES, WIDTH), generator=generator)
    centres[:, WIDTH // 2 :] = 0.0  # the other half of the features has no part in the task
    inputs = 0.6 * centres[truth] + torch.randn((ITEMS, WIDTH), generator=generator)
    labelled = torch.cat([(truth == c).nonzero()[:each, 0] for c in range(CLASSES)])
    answers = {}
    for i in range(teachers):
        known = torch.tensor([i % CLASSES, (i + 1) % CLASSES, (i + 3) % CLASSES])
        evidence = (truth[:, None] == known).float() * 4
        answers[f"useful-{i}"] = _soft(evidence, 1.0, generator)
    answers["decoy-noise"] = _soft(torch.zeros(ITEMS, CLASSES), 3.0, generator)
    elsewhere = torch.randn((WIDTH // 2, CLASSES), generator=generator)
    answers["decoy-domain"] = (inputs[:, WIDTH // 2 :] @ elsewhere / 2).softmax(dim=1)
    answers["decoy-constant"] = _soft(torch.zeros(ITEMS, CLASSES), 0.01, generator)
    problem = Problem(
        task=Classification(tuple("abcdef")),
        transfer=TransferSet(inputs.numpy().astype(np.float32)),
        labelled=labelled,
        labels=truth[labelled],
        probe=torch.arange(20),
        build=lambda outputs: nn.Linear(WIDTH, outputs),
        student=StudentOptions(),
        seed=seed,
    )
    student = _soft(2.0 * torch.eye(CLASSES)[truth], 1.5, generator)
    looks = {name: 0.1 * i for i, name in enumerate(sorted(answers))}
    return Evidence(problem, 1, 4, tuple(sorted(answers)), looks, Answers(answers), student)


def _soft(evidence: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    return (evidence + noise * torch.randn(evidence.shape, generator=generator)).softmax(dim=1)


@pytest.fixture
def evidence_of() -> Callable[..., Evidence]:
    """Give tests the maker."""
    return make
