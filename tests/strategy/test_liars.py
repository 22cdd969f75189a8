"""Two liars among five teachers: little weight for them, little harm to the student."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from fedsa.data.splits import Split, split
from fedsa.data.transfer import to_float
from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.fusion.training import outputs
from fedsa.messages import Predict, Predicted
from fedsa.pools import _make
from fedsa.runs.conduct import make_problem
from fedsa.scenario import Scenario
from fedsa.selection.evidence import EvidenceSelector
from fedsa.teacher.lies import FILE, LIES
from tests.strategy.conftest import DOCUMENT, LocalGrid, scenario
from tests.strategy.harness import IDS, Events, make

HARM = 0.05
"""Accuracy that the student may lose to the liars; it has 200 test items."""


def pool_scenario() -> Scenario:
    """Return a scenario with six labels a class and two liars of each kind."""
    liars = [
        {"id": f"{lie}-{n}", "model": "mlp", "data": "digits-table", "items": 60, "epochs": 10}
        | {"lie": lie, "classes": list("13579" if n == 1 else "24680")}
        for lie in LIES
        for n in (1, 2)
    ]
    return scenario(
        task={"items": 400, "label-share": 0.15, "test-items": 200},
        student={"steps": 150},
        teachers=[*DOCUMENT["teachers"], *liars],
    )


@pytest.fixture(scope="module")
def cut() -> Split:
    return split(pool_scenario())


@pytest.fixture(scope="module")
def everybody(cut: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache") / "pools" / "everybody"
    folder.mkdir(parents=True)
    for options in pool_scenario().pool():
        _make(folder, options, cut.shards[options.id], 0)
    return folder


def pool_of(everybody: Path, folder: Path, ids: list[str]) -> Path:
    """Make a pool of some of the teachers."""
    pool = folder / "pools" / "some"
    pool.mkdir(parents=True)
    for name in ids:
        shutil.copytree(everybody / name, pool / name)
    (pool / "pool.json").write_text(json.dumps({"teachers": ids}))
    return pool


def taught(cut: Split, pool: Path, nodes: int, **federation: Any) -> tuple[float, Events]:
    """Return the accuracy of the student that the default strategy makes of a pool."""
    options, events = pool_scenario(), Events()
    options = options.model_copy(
        update={"federation": options.federation.model_copy(update=federation)}
    )
    problem = make_problem(options, cut)
    selector, fusion = EvidenceSelector(options.selection), PrototypeFusion(options.fusion)
    folder = pool.parent.parent / "run"
    strategy = make(problem, folder, events, options, selector=selector, fusion=fusion)
    strategy.start(LocalGrid(pool, nodes=nodes), num_rounds=2)
    assert strategy.student is not None
    raw = outputs(strategy.student, to_float(cut.test_inputs))
    return problem.task.metric(raw, torch.from_numpy(cut.test_labels)), events


@pytest.fixture(scope="module")
def _honest() -> dict[str, float]:
    return {}


@pytest.fixture
def honest(_honest: dict[str, float], cut: Split, everybody: Path, tmp_path: Path) -> float:
    """The accuracy that the three honest teachers alone lead to; they are run once."""
    if not _honest:
        pool = pool_of(everybody, tmp_path / "honest", IDS)
        _honest["accuracy"] = taught(cut, pool, len(IDS))[0]
    return _honest["accuracy"]


@pytest.mark.parametrize("lie", LIES)
def test_liars_get_little_weight_and_do_little_harm(
    cut: Split, everybody: Path, tmp_path: Path, honest: float, lie: str
) -> None:
    ids = [*IDS, f"{lie}-1", f"{lie}-2"]
    accuracy, events = taught(cut, pool_of(everybody, tmp_path, ids), len(ids))
    assert accuracy >= honest - HARM
    for chosen in events.of("selection"):
        assert sum(chosen["weights"].get(name, 0.0) for name in ids[3:]) < 0.1
    if lie == "nan":
        failed = {(f["teacher"], f["code"]) for f in events.of("failure")}
        assert failed == {("nan-1", "malformed"), ("nan-2", "malformed")}
    else:
        assert not events.of("failure")


def test_each_lie_is_told_and_kept_to(cut: Split, everybody: Path, tmp_path: Path) -> None:
    """By the ClientApp, as the server hears it; asked twice, a liar says the same."""
    ids = [f"{lie}-1" for lie in LIES]
    pool = pool_of(everybody, tmp_path / "lying", ids)
    true = pool_of(everybody, tmp_path / "true", ids)
    for name in ids:
        (true / name / FILE).unlink()
    problem = make_problem(pool_scenario(), cut)
    items = problem.probe.numpy().astype("int32")
    told: list[dict[str, Any]] = []
    truth: list[dict[str, Any]] = []
    for place, heard in ((pool, told), (true, truth), (pool, told)):
        strategy = make(problem, place.parent / f"run-{len(told)}", options=pool_scenario())
        grid = LocalGrid(place, nodes=len(ids))
        strategy.inquiry.enrol(grid, strategy.memory)
        exchange, hash_ = strategy.inquiry.exchange, problem.transfer.hash
        heard.append(exchange.ask(grid, {n: Predict(n, hash_, items) for n in ids}))
    rows = [
        {n: r.answers.values for n, r in replies.items() if isinstance(r, Predicted)}
        for replies in (told[0], told[1], truth[0])
    ]
    first, again, real = rows
    assert set(first) == set(real) - {"nan-1"} and set(first) == set(again)
    assert all((first[name] == again[name]).all() for name in first)
    assert len({row.tobytes() for row in first["constant-1"]}) == 1
    kept = (first["flipped-labels-1"] == real["flipped-labels-1"]).all(axis=1)
    assert 0 < kept.sum() < len(kept)
    assert (first["inflated-score-1"] != real["inflated-score-1"]).any()


def test_a_liar_claims_the_closest_look_of_all(cut: Split, everybody: Path, tmp_path: Path) -> None:
    ids = ["even", "inflated-score-1", "nan-1"]
    pool = pool_of(everybody, tmp_path, ids)
    problem = make_problem(pool_scenario(), cut)
    events = Events()
    strategy = make(problem, tmp_path / "run", events, pool_scenario())
    grid = LocalGrid(pool, nodes=3)
    strategy.inquiry.enrol(grid, strategy.memory)
    from fedsa.strategy import pupil

    pupil.note(problem, pupil.first(problem), strategy.saliency, strategy.memory)
    close = strategy.looking.closeness(grid, strategy.memory)
    assert close["inflated-score-1"] == 1.0 > close["even"] and "nan-1" not in close
    assert [f["code"] for f in events.of("failure")] == ["malformed"]
