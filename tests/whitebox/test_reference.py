"""FedSA as published: the parts against known answers, and the whole on a small task."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from fedsa.data import resolve
from fedsa.data.shards import Shard
from fedsa.data.transfer import TransferSet, to_float
from fedsa.fusion.base import Stage
from fedsa.fusion.scratch import Scratch
from fedsa.fusion.training import outputs
from fedsa.models import build
from fedsa.options import FusionOptions, StudentOptions
from fedsa.private_training import Scaling, train
from fedsa.problem import Answers, Problem
from fedsa.task import Classification
from fedsa.whitebox.owners import Owner, Resized
from fedsa.whitebox.reference import Plan, averaged, cam, chances, fedsa
from fedsa.whitebox.transfer import transfer


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


@pytest.fixture(scope="module")
def world() -> tuple[Problem, list[Owner], torch.Tensor, torch.Tensor]:
    data = resolve("digits")
    items, truth = data.inputs, torch.from_numpy(data.labels)
    problem = Problem(
        task=Classification(data.classes),
        transfer=TransferSet(items[:200]),
        labelled=torch.arange(60),
        labels=truth[:60],
        probe=torch.arange(20),
        build=partial(build, "conv", tuple(items.shape[1:]), seed=1),
        student=StudentOptions(model="conv", steps=80, batch=32),
    )
    owners = []
    for number in range(2):
        where = slice(400 + 300 * number, 700 + 300 * number)
        shard = Shard(items[where], data.labels[where], tuple(data.classes))
        shape = tuple(items.shape[1:])
        network, scaling = build("conv", shape, 10, seed=number), Scaling.of(shard.inputs)
        train(network, scaling, shard, 6, seed=number)
        own = Resized(network, scaling, shape).eval()
        owners.append(Owner(f"t{number}", own, to_float(shard.inputs)))
    return problem, owners, to_float(items[1300:1700]), truth[1300:1700]


def _accuracy(network: nn.Module, items: torch.Tensor, truth: torch.Tensor) -> float:
    return float((outputs(network, items).argmax(dim=1) == truth).float().mean())


def test_the_reference_learns_and_counts_its_bytes(world) -> None:  # type: ignore[no-untyped-def]
    problem, owners, items, truth = world
    plan = Plan(rounds=4, every=2, local=2, after=15)
    student, moved = fedsa(problem, owners, plan)
    size = sum(v.numel() * v.element_size() for v in student.state_dict().values())
    probe = problem.transfer.array[:20].nbytes
    assert moved == 2 * probe + 2 * 2 * size + 4 * 2 * 2 * size
    assert _accuracy(student, items, truth) > 0.5


def test_the_same_seed_gives_the_same_bits(world) -> None:  # type: ignore[no-untyped-def]
    problem, owners, _, _ = world
    plan = Plan(rounds=1, local=1, before=1, after=1)
    one, other = (fedsa(problem, owners, plan)[0].state_dict() for _ in range(2))
    assert all(value.equal(other[name]) for name, value in one.items())


def test_a_good_start_is_not_lost(world) -> None:  # type: ignore[no-untyped-def]
    problem, owners, items, truth = world
    kept = {k: v.clone() for k, v in owners[0].network.state_dict().items()}
    short = replace(problem, student=problem.student.model_copy(update={"steps": 40}))
    tuned = transfer(short, owners, {"t0": 1.0})
    scratch = Scratch(FusionOptions()).fit(short, Answers({}), {}, Stage(), {}).student
    assert _accuracy(tuned, items, truth) > _accuracy(scratch, items, truth) + 0.1
    assert all(kept[k].equal(v) for k, v in owners[0].network.state_dict().items())
