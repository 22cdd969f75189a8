"""The one training loop."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedsa.fusion.training import outputs, train
from fedsa.options import StudentOptions

OPTIONS = StudentOptions(batch=16, learning_rate=1e-2)
INPUTS = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
LABELS = (INPUTS[:, 0] > 0).long()


def net() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


def loss(module: nn.Module, batch: Tensor, step: int) -> Tensor:
    return F.cross_entropy(module(INPUTS[batch]), LABELS[batch])


def run(module: nn.Module, steps: int, *purpose: str | int) -> tuple[nn.Module, float]:
    return train(module, loss, torch.arange(50), steps, OPTIONS, 1, *purpose)


def test_it_learns_and_tells_its_last_loss() -> None:
    before = F.cross_entropy(net().eval()(INPUTS), LABELS).item()
    average, last = run(net(), 150, "a")
    assert last < before / 2
    assert float((average(INPUTS).argmax(dim=1) == LABELS).float().mean()) > 0.9
    assert not average.training


def test_the_same_purpose_gives_the_same_bits_and_another_does_not() -> None:
    one, other, third = (run(net(), 20, name)[0].state_dict() for name in ("a", "a", "b"))
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert not torch.equal(one["0.weight"], third["0.weight"])


def states(steps: int) -> tuple[nn.Module, list[dict[str, Tensor]]]:
    """Return the average, and what each step left behind."""
    module, after = net(), []

    def noting(module: nn.Module, batch: Tensor, step: int) -> Tensor:
        if step:
            after.append({key: value.clone() for key, value in module.state_dict().items()})
        return loss(module, batch, step)

    average, _ = train(module, noting, torch.arange(50), steps, OPTIONS, 1)
    after.append({key: value.clone() for key, value in module.state_dict().items()})
    assert len(after) == steps
    return average, after


@pytest.mark.parametrize("steps", [20, 1000])
def test_what_comes_back_is_the_average_of_weights_and_of_batch_norm(steps: int) -> None:
    """(1 + n) / (10 + n), at most 0.99, from the first step's values on; by hand."""
    average, after = states(steps)
    for key in ("0.weight", "1.running_mean", "1.running_var", "3.bias"):
        expected = after[0][key]
        for seen, state in enumerate(after[1:], start=1):
            decay = min(0.99, (1 + seen) / (10 + seen))
            expected = decay * expected + (1 - decay) * state[key]
        found = average.state_dict()[key]
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
        assert not torch.equal(found, after[-1][key])


def test_after_some_hundred_steps_nothing_is_left_of_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Features of a variance of 1e-6 are seen as that, though batch norm begins at one."""
    monkeypatch.setattr(f"{__name__}.INPUTS", INPUTS * 1e-3)
    average, after = states(150)
    assert float(after[0]["1.running_var"].min()) > 0.8
    assert float(average.state_dict()["1.running_var"].max()) < 1e-4


def test_every_item_comes_once_an_epoch() -> None:
    seen: list[int] = []

    def noting(module: nn.Module, batch: Tensor, step: int) -> Tensor:
        seen.extend(batch.tolist())
        return loss(module, batch, step)

    train(net(), noting, torch.arange(10, 42), 6, OPTIONS, 1)  # two batches an epoch of 32
    epochs = [seen[start : start + 32] for start in range(0, 96, 32)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(10, 42))] * 3
    assert epochs[0] != epochs[1]


def test_fewer_items_than_a_batch_are_repeated() -> None:
    def checking(module: nn.Module, batch: Tensor, step: int) -> Tensor:
        assert len(batch) == 16 and sorted(set(batch.tolist())) == [3, 7, 9]
        return loss(module, batch, step)

    train(net(), checking, torch.tensor([3, 7, 9]), 4, OPTIONS, 1)


def test_no_steps_change_nothing() -> None:
    average, last = run(net(), 0)
    assert math.isnan(last)
    expected = net().state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in average.state_dict().items())


def test_outputs_do_not_depend_on_the_batch() -> None:
    module = net().eval()
    with torch.no_grad():
        expected = module(INPUTS)
    torch.testing.assert_close(outputs(module, INPUTS, batch=7), expected)
    assert not outputs(module, INPUTS).requires_grad
