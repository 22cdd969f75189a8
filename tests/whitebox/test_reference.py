"""FedSA as published: the parts against known answers, and the whole on a small task."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedsa.fusion.base import Stage
from fedsa.fusion.scratch import Scratch
from fedsa.models import build
from fedsa.options import FusionOptions
from fedsa.problem import Answers
from fedsa.whitebox.reference import Plan, averaged, cam, chances, fedsa
from fedsa.whitebox.transfer import transfer
from tests.whitebox.conftest import World, accuracy


def test_the_best_is_chosen_at_most_e_times_as_often_as_the_worst() -> None:
    shares = chances([1.0, 1.3, 1.9])
    assert shares.sum() == pytest.approx(1.0)
    assert shares[0] / shares[2] == pytest.approx(np.e)
    assert chances([1.5, 1.5]) == pytest.approx([0.5, 0.5])


def test_weights_are_averaged_and_counters_stay_whole() -> None:
    one = {"w": torch.tensor([1.0, 3.0]), "n": torch.tensor(2)}
    other = {"w": torch.tensor([3.0, 5.0]), "n": torch.tensor(4)}
    mean = averaged([one, other])
    assert mean["w"].tolist() == [2.0, 4.0]
    assert mean["n"] == 3 and mean["n"].dtype == torch.int64


def test_maps_are_of_one_size_and_between_zero_and_one() -> None:
    for name in ("conv", "mlp"):
        found = cam(build(name, (1, 28, 28), 5, seed=1), torch.rand(3, 1, 28, 28))
        assert found.shape == (3, 32 * 32)
        assert found.min() == 0.0 and found.max() <= 1.0
        assert found.amax(dim=1).allclose(torch.ones(3))


def test_the_reference_learns_and_counts_its_bytes(world: World) -> None:
    problem, owners, items, truth = world
    plan = Plan(rounds=4, every=2, local=2, after=15)
    student, moved = fedsa(problem, owners, plan)
    size = sum(v.numel() * v.element_size() for v in student.state_dict().values())
    probe = problem.transfer.array[:20].nbytes
    assert moved == 2 * probe + 2 * 2 * size + 4 * 2 * 2 * size
    assert accuracy(student, items, truth) > 0.5


def test_the_same_seed_gives_the_same_bits(world: World) -> None:
    problem, owners, _, _ = world
    plan = Plan(rounds=1, local=1, before=1, after=1)
    one, other = (fedsa(problem, owners, plan)[0].state_dict() for _ in range(2))
    assert all(value.equal(other[name]) for name, value in one.items())


def test_a_good_start_is_not_lost(world: World) -> None:
    problem, owners, items, truth = world
    kept = {k: v.clone() for k, v in owners[0].network.state_dict().items()}
    short = replace(problem, student=problem.student.model_copy(update={"steps": 40}))
    tuned = transfer(short, owners, {"t0": 1.0})
    scratch = Scratch(FusionOptions()).fit(short, Answers({}), {}, Stage(), {}).student
    assert accuracy(tuned, items, truth) > accuracy(scratch, items, truth) + 0.1
    assert all(kept[k].equal(v) for k, v in owners[0].network.state_dict().items())
