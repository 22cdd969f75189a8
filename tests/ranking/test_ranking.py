"""The yardstick: teachers of known use are told apart by the truth, and by what is estimated."""

from __future__ import annotations

import math

import pytest
import torch

from fedsa.ranking.estimates import PUBLISHED, Stand, defaults, estimates, evidence, stands
from fedsa.ranking.pool import Pool
from fedsa.ranking.students import choices, students
from fedsa.ranking.truth import truth
from fedsa.saliency import METHODS
from fedsa.saliency.closeness import closeness, published
from fedsa.transferability import ESTIMATORS
from fedsa.whitebox.reference import cam

TEACHERS = ("even", "high", "low", "random")


@pytest.fixture(scope="module")
def first(pool: Pool) -> Stand:
    """The first student."""
    found = stands(pool, 0.2, 60)
    names = list(found)
    assert names == ["5 % labels", "20 % labels", "fused, 5 % labels"]
    fewer, more, fused = found.values()
    assert (len(fewer.problem.labels), len(more.problem.labels)) == (30, 120)
    assert more.problem.transfer.hash == fused.problem.transfer.hash
    assert pool.accuracy(more.student) > pool.accuracy(fewer.student)
    return fewer


def test_answers_are_those_that_would_travel(pool: Pool) -> None:
    assert tuple(pool.answers) == TEACHERS
    exact = torch.from_numpy(pool.teachers["low"].predict(pool.problem.transfer.array))
    apart = (pool.answers["low"] - exact).abs().max()
    assert 0 < float(apart) < 0.02  # a byte a class, on the square-root scale


def test_who_learnt_from_random_labels_is_worth_least(pool: Pool) -> None:
    found = truth(pool, 120)
    assert set(found.gains) == set(TEACHERS) and 0.3 < found.alone < 1.0
    assert min(found.gains, key=lambda name: found.gains[name]) == "random"
    assert max(found.gains.values()) > 0


def test_every_estimator_has_a_figure_of_every_teacher(pool: Pool, first: Stand) -> None:
    scores = estimates(pool, first)
    assert set(ESTIMATORS.builtins) | {f"look: {name}" for name in METHODS.builtins} <= set(scores)
    for values in scores.values():
        assert set(values) == set(TEACHERS) and all(map(math.isfinite, values.values()))
    for name in ("leep", "nce", "cross-validation", "mutual-information", "logme"):
        assert min(scores[name], key=lambda teacher: scores[name][teacher]) == "random", name
    mine = pool.look(first.student, "occlusion")
    theirs = pool.looks("occlusion")["low"]
    assert scores["look: occlusion"]["low"] == pytest.approx(closeness(theirs, mine), abs=1e-6)
    assert scores[PUBLISHED] != scores["fedsa-score (grad-cam, raw)"]
    maps = cam(first.student, pool.problem.inputs[pool.problem.probe])
    assert scores[PUBLISHED]["low"] == 2 - published(pool.cams["low"], maps)
    assert pool.cams["low"].shape == maps.shape
    own = pool.own_accuracy()
    assert own["low"] > 0.8 > own["random"]


def test_a_selector_sees_response_items_only(pool: Pool, first: Stand) -> None:
    seen = evidence(pool, first, ["low", "high"], {"low": 0.5, "even": 0.1})
    assert seen.teachers == ("high", "low") and dict(seen.closeness) == {"low": 0.5}
    assert int(seen.answers.asked("low").sum()) == 30 + 64
    assert bool(seen.answers.asked("low")[first.problem.labelled].all())


def test_only_looks_part_the_variants_of_the_default(pool: Pool, first: Stand) -> None:
    look = {"low": 0.9, "high": 0.1, "even": 0.2, "random": 0.0}
    found = defaults(pool, first, TEACHERS, look)
    other = defaults(pool, first, TEACHERS, {name: -value for name, value in look.items()})
    assert found["evidence without looks"] == other["evidence without looks"]
    assert found["default"] != other["default"] and found["default"] not in list(found.values())[1:]
    told = found["evidence, 100 % looks"]  # the gate is all that is left of the responses
    assert told["low"] > told["even"] > told["high"] and told["random"] < 0.1


def test_choices_are_what_they_are_called(
    pool: Pool, first: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = estimates(pool, first)
    gains = {"low": 0.1, "high": 0.2, "even": 0.3, "random": -0.5}
    monkeypatch.setattr("fedsa.ranking.students.K", 2)
    found = choices(pool, first, TEACHERS, scores, gains)
    assert found["oracle, best five"] == {"even": 0.5, "high": 0.5}
    assert found["uniform"] == dict.fromkeys(TEACHERS, 0.25)
    assert [sum(weight > 0 for weight in found[n].values()) for n in ("best single",)] == [1]
    same = {"a": {"low": 0.5, "high": 0.5}, "b": {"high": 0.5, "low": 0.5, "even": 0}}
    trained = [students(pool, first, same, 60, usual) for usual in (False, True)]
    assert trained[0]["a"] == trained[0]["b"] > 0.3
    assert trained[1]["a"] == trained[1]["b"] != trained[0]["a"]
