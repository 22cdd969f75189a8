"""What sees no teacher is trained once for all runs of a task, and anew where anything differs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from fedsa.data import resolve
from fedsa.data.transfer import TransferSet
from fedsa.models import build
from fedsa.options import StudentOptions
from fedsa.problem import Answers, Problem
from fedsa.runs import known_baselines
from fedsa.runs.baselines import Baselines
from fedsa.runs.known_baselines import keep, place, read
from fedsa.scenario import parse
from fedsa.task import Classification

DATA = resolve("digits-table")
TRUTH = torch.from_numpy(DATA.labels[:60])
TEST = torch.from_numpy(DATA.inputs[60:160]).float(), torch.from_numpy(DATA.labels[60:160])
NAMES = ("scratch", "supervised")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setenv("FEDSA_CACHE", str(tmp_path))
    return tmp_path


def problem(labelled: int = 20, **student: int) -> Problem:
    return Problem(
        task=Classification(DATA.classes),
        transfer=TransferSet(DATA.inputs[:60]),
        labelled=torch.arange(labelled),
        labels=TRUTH[:labelled],
        probe=torch.arange(8),
        build=partial(build, "mlp", (64,), seed=1),
        student=StudentOptions(model="mlp", **({"steps": 40} | student)),
    )


class NoWorkers:
    """Stands for the workers where nothing is left for them."""

    def submit(self, *job: object) -> None:
        raise AssertionError("a baseline that is known was trained again")

    def shutdown(self, **_: object) -> None:
        pass


def measured(own: Problem, idle: bool = False) -> dict[str, float]:
    scenario = parse({"name": "x", "task": {"data": "digits-table"}})
    with Baselines(own, TEST, TRUTH, scenario) as baselines:
        if idle:
            baselines._executor = NoWorkers()  # type: ignore[assignment]
        baselines.begin(NAMES, Answers({}), None)
        return {name: one.metric for name, one in baselines.finished()}


def test_the_second_run_of_a_task_trains_none_of_them_and_has_the_same_figures() -> None:
    first = measured(problem())
    assert set(first) == set(NAMES) and first["supervised"] > first["scratch"]
    assert measured(problem(), idle=True) == first
    with pytest.raises(AssertionError, match="trained again"):
        measured(problem(labelled=30), idle=True)


def test_the_place_changes_with_what_the_figure_depends_on() -> None:
    own = problem()
    other = TEST[0], TEST[1].flip(0)
    found = [
        place("scratch", own, TEST),
        place("fixmatch", own, TEST),
        place("scratch", own, other),
        place("scratch", replace(own, seed=1), TEST),
        place("scratch", replace(own, masses=torch.full((20,), 0.05)), TEST),
        place("scratch", replace(own, transfer=TransferSet(DATA.inputs[1:61])), TEST),
        place("scratch", problem(labelled=21), TEST),
        place("scratch", problem(steps=41), TEST),
    ]
    assert None not in found and len(set(found)) == len(found)
    assert place("scratch", problem(), TEST) == found[0]
    mine = replace(own, student=own.student.model_copy(update={"model": "mine:net"}))
    assert place("scratch", mine, TEST) is None


def test_code_that_changed_is_measured_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = place("scratch", problem(), TEST)
    monkeypatch.setattr(known_baselines, "sources", lambda: "other")
    assert place("scratch", problem(), TEST) != before


def test_what_is_not_whole_is_not_known(cache: Path) -> None:
    path = cache / "baselines" / "one.json"
    assert read(path) is None
    keep(path, 0.25)
    assert read(path) == 0.25
    path.write_text(path.read_text()[:-6])
    assert read(path) is None
    path.write_text("[]")
    assert read(path) is None
    blocked = cache / "file"
    blocked.write_text("")
    keep(blocked / "two.json", 0.5)  # the run goes on
