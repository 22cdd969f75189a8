"""A result is made again when what it was made with has changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsa import sources
from fedsa.scenario import parse
from fedsa.tables.code import circumstances, digest, strategy_digest


def test_a_persons_own_data_are_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    task = {"data": str(path), "items": 40}
    small = {"saliency": {"probe-items": 9}, "selection": {"response-items": 9}}
    scenario = parse({"name": "x", "task": task, **small})
    found = []
    for seed in (0, 0, 1):
        table = np.random.default_rng(seed).normal(size=(100, 3))
        np.savez(path, inputs=table, labels=np.arange(100) % 2)
        found.append(digest(scenario))
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    "asked",
    [
        {"strategy": "{}:made"},
        {"selection": {"response-items": 9, "selector": "{}:made"}},
        {"fusion": {"fusion": "{}:made"}},
        {"student": {"model": "{}:made"}},
        {"teachers": [{"id": "a", "model": "{}:made"}]},
        {"teachers": [{"id": "a", "data": "{}.inner:made"}]},
    ],
)
def test_a_persons_own_code_is_part_of_it(
    asked: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"own_{abs(hash(str(asked)))}"
    if "inner" in str(asked):  # of a package, every file counts
        file = tmp_path / name / "other.py"
        file.parent.mkdir()
        (file.parent / "__init__.py").touch()
    else:
        file = tmp_path / f"{name}.py"
    small = {"task": {"items": 40}, "saliency": {"probe-items": 9}}
    small["selection"] = {"response-items": 9}
    text = json.dumps({"name": "x", **small, **asked}).replace("{}", name)
    scenario = parse(json.loads(text))
    found = []
    for source in ("made = 1\n", "made = 1\n", "made = 2\n"):
        file.write_text(source)
        found.append(digest(scenario))
    assert found[0] == found[1] != found[2]


def test_what_trains_baselines_is_no_part_of_the_strategys_digest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scenario = parse({"name": "x", "task": {"data": "digits-table"}})
    before = digest(scenario), strategy_digest(scenario)
    known = sources.meaning

    def changed(where: str) -> tuple[str, str]:
        """The digests, had a file of that name another meaning."""
        with monkeypatch.context() as patch:
            patch.setattr(
                sources, "_meaning_of", lambda p: f"{p.name == where}{known(p.read_text('utf-8'))}"
            )
            for each in (sources.sources, sources.parts):
                each.cache_clear()
            found = digest(scenario), strategy_digest(scenario)
        for each in (sources.sources, sources.parts):
            each.cache_clear()
        return found

    nowhere, fusion, baselines = map(changed, ("", "prototypes.py", "baselines.py"))
    assert nowhere[0] != fusion[0] and nowhere[1] != fusion[1]
    assert nowhere[0] != baselines[0] and nowhere[1] == baselines[1]
    assert before == (digest(scenario), strategy_digest(scenario))


def test_circumstances_name_versions_and_machine() -> None:
    found = circumstances()
    assert found["versions"]["torch"] != "absent" and "cores" in found["machine"]
