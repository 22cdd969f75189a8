"""A small pool of digits as vectors: three teachers of use, one of random labels."""

from __future__ import annotations

import pytest

from fedsa.ranking.pool import Pool
from fedsa.scenario import Scenario, parse

TEACHERS = [
    {"id": "low", "classes": ["0", "1", "2", "3", "4"], "items": 200},
    {"id": "high", "classes": ["5", "6", "7", "8", "9"], "items": 200},
    {"id": "even", "classes": ["0", "2", "4", "6", "8"], "items": 200},
    {"id": "random", "items": 150, "label-noise": 1.0},
]


def small() -> Scenario:
    """The scenario."""
    own = {"model": "mlp", "data": "digits-table", "epochs": 8}
    return parse(
        {
            "name": "small",
            "task": {"data": "digits-table", "items": 600, "label-share": 0.05},
            "student": {"model": "mlp", "steps": 300},
            "saliency": {"grid": 4, "probe-items": 16},
            "selection": {"response-items": 64},
            "teachers": [own | teacher for teacher in TEACHERS],
        }
    )


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """The pool, its teachers trained."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDSA_CACHE", str(tmp_path_factory.mktemp("cache")))
        return Pool(small())
