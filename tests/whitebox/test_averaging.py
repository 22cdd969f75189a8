"""FedAvg+ and FedProx+: what is averaged, what a pull does, and the whole on a small task."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fedsa.fusion.training import outputs
from fedsa.whitebox.averaging import Plan, averaging
from fedsa.whitebox.reference import averaged
from tests.whitebox.conftest import World, accuracy


def test_who_has_more_items_counts_for_more() -> None:
    states = [{"w": torch.tensor([1.0])}, {"w": torch.tensor([5.0])}]
    assert averaged(states, [300, 100])["w"].item() == pytest.approx(2.0)


def test_a_common_trunk_is_a_good_start(world: World) -> None:
    problem, owners, items, truth = world
    short = replace(problem, student=problem.student.model_copy(update={"steps": 40}))
    plan = Plan(rounds=4, local=2)
    student, moved = averaging(short, owners, plan)
    trunk = problem.build(problem.student.embedding)
    size = sum(value.numel() * value.element_size() for value in trunk.state_dict().values())
    assert moved == 2 * len(owners) * 4 * size
    untrained, nothing = averaging(short, owners, Plan(rounds=0))
    assert nothing == 0
    assert accuracy(student, items, truth) > accuracy(untrained, items, truth) + 0.1


def test_a_strong_pull_keeps_the_trunk_where_it_was(world: World) -> None:
    problem, owners, items, _ = world
    still = replace(problem, student=problem.student.model_copy(update={"steps": 1}))
    plans = [Plan(rounds=0), Plan(rounds=1, local=3), Plan(rounds=1, local=3, pull=1e4)]
    start, free, pulled = (outputs(averaging(still, owners, p)[0], items[:50]) for p in plans)
    assert (pulled - start).norm() < (free - start).norm() / 2


def test_the_same_seed_gives_the_same_bits(world: World) -> None:
    problem, owners, _, _ = world
    short = replace(problem, student=problem.student.model_copy(update={"steps": 3}))
    one, other = (averaging(short, owners, Plan(2, 1, 1))[0].state_dict() for _ in range(2))
    assert all(value.equal(other[name]) for name, value in one.items())
