"""What a run leaves is written down whoever comes and goes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from fedsa.runs import products
from fedsa.runs.memory import Account, Memory
from fedsa.runs.run import Run
from fedsa.saliency.compact import CompactMaps


def maps(*shape: int) -> CompactMaps:
    return CompactMaps(np.ones(shape, dtype=np.uint8), 4)


def test_who_joins_after_the_last_round_has_no_place_among_its_teachers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = Memory(student_maps=maps(3, 16))
    memory.accounts = {"mint": Account(), "sage": Account()}

    def joined_by_a_third(*_: Any) -> dict[str, CompactMaps]:
        memory.accounts["new"] = Account()
        return {"mint": maps(2, 16), "new": maps(2, 16), "sage": maps(2, 9)}

    monkeypatch.setattr("fedsa.strategy.aside.looks", joined_by_a_third)
    problem = SimpleNamespace(
        probe=torch.arange(3), inputs=torch.zeros(9, 4), task=SimpleNamespace(distributions=False)
    )
    run = SimpleNamespace(
        problem=problem,
        strategy=SimpleNamespace(memory=memory),
        scenario=SimpleNamespace(saliency=SimpleNamespace(shown=2)),
    )
    found = products._artefacts(None, cast(Run, run))
    assert found["teacher_ids"].tolist() == ["mint", "sage"]
    assert found["student_maps"].shape == (2, 16)
    assert np.isnan(found["teacher_maps"]).all(axis=(1, 2)).tolist() == [False, True]
