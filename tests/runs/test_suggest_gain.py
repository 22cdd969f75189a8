"""How proposed items are measured against others: every way gives what it says it gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedsa.data.splits import Split
from fedsa.data.transfer import TransferSet
from fedsa.problem import Answers
from fedsa.runs.suggest_gain import WAYS, table

ITEMS, CLASSES, COUNT = 120, 3, 6


def case() -> tuple[Split, Answers]:
    """Three kinds of items in unlike numbers, and a teacher that tells them apart."""
    rng = np.random.default_rng(0)
    truth = rng.permutation(np.repeat(np.arange(CLASSES), [80, 30, 10]))
    answers = np.eye(CLASSES)[truth] * 0.8 + rng.dirichlet(np.ones(CLASSES), ITEMS) * 0.2
    parts = Split(
        transfer=TransferSet(rng.normal(size=(ITEMS, 2)).astype(np.float32)),
        labelled=np.arange(3),
        labels=truth[:3],
        truth=truth,
        test_inputs=np.zeros((1, 2), np.float32),
        test_labels=np.zeros(1, np.int64),
        classes=("a", "b", "c"),
        shards={},
    )
    return parts, Answers({"one": torch.from_numpy(answers).float()})


@pytest.mark.parametrize("way", WAYS)
def test_every_way_chooses_as_many_different_items_as_asked_for(way: str) -> None:
    parts, answers = case()
    items, masses = WAYS[way](parts, answers, COUNT, 0)
    assert len(set(items.tolist())) == COUNT and items.min() >= 0 and items.max() < ITEMS
    seen = np.bincount(parts.truth[items], minlength=CLASSES)
    if way == "by-class":
        assert seen.tolist() == [2, 2, 2]
    elif way != "random":
        assert seen.min() > 0  # the rare class too
    if masses is not None:
        shares = np.bincount(parts.truth[items], weights=masses, minlength=CLASSES)
        assert shares == pytest.approx([80 / 120, 30 / 120, 10 / 120], abs=0.02)


def test_differences_are_paired_by_seed() -> None:
    """Gains of 10 and 12 points: mean 11, half of the interval t(.975, 1) = 12.7 times 1."""
    found = {
        (6, "random"): [(0.5, 0.6, 3), (0.4, 0.5, 2)],
        (6, "suggested"): [(0.6, 0.7, 3), (0.7, 0.62, 3)],
    }
    lines = table(found).splitlines()
    assert lines[2] == "| 6 | random | 2.5 | 45.0 | 55.0 |  |"
    assert lines[3] == "| 6 | suggested | 3.0 | 65.0 | 66.0 | +11.0 ± 12.7 |"
