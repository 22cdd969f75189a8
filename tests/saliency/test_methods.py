"""What every saliency method promises, on networks small enough to know."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fedsa.errors import DataError, PluginError
from fedsa.saliency import METHODS, QUERY_ONLY, maps
from fedsa.saliency.batches import GRADIENT_CHUNK

NAMES = sorted(METHODS.builtins)


def network(*, inplace: bool = False) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=inplace),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, padding=1),
            nn.ReLU(inplace=inplace),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 3),
        )


def dense(width: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(width, 8), nn.Tanh(), nn.Linear(8, 3))


def items(count: int, *shape: int) -> Tensor:
    return torch.rand((count, *shape), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", NAMES)
def test_images_get_one_finite_map_of_their_size(name: str) -> None:
    found = maps(name, network(), items(5, 2, 12, 10))
    assert found.shape == (5, 12, 10)
    assert found.dtype == torch.float32
    assert torch.isfinite(found).all() and (found >= 0).all()
    assert (found.flatten(1).amax(dim=1) > 0).sum() >= 3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [1, 5, 120])
def test_vectors_get_one_value_a_feature(name: str, width: int) -> None:
    assert maps(name, dense(width), items(4, width)).shape == (4, width)


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_bits_and_the_global_generator_is_left_alone(name: str) -> None:
    inputs = items(4, 2, 12, 10)
    before = torch.random.get_rng_state()
    first = maps(name, network(), inputs, seed=3)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.rand(7)
    assert torch.equal(first, maps(name, network(), inputs, seed=3))


@pytest.mark.parametrize("name", ["rise", "smooth-grad"])
def test_another_seed_gives_other_draws(name: str) -> None:
    inputs = items(3, 2, 12, 10)
    assert not torch.equal(maps(name, network(), inputs, 1), maps(name, network(), inputs, 2))


@pytest.mark.parametrize("name", NAMES)
def test_the_network_is_left_as_it_was_but_in_eval_mode(name: str) -> None:
    model, inputs = network().train(), items(3, 2, 12, 10)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    maps(name, model, inputs)
    assert not any(module.training for module in model.modules())
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(bool((p.grad == 1).all()) for p in model.parameters() if p.grad is not None)
    assert not any(module._forward_hooks for module in model.modules())
    assert not inputs.requires_grad


@pytest.mark.parametrize("name", NAMES)
def test_frozen_networks_and_networks_that_write_in_place_give_the_same_maps(name: str) -> None:
    inputs, plain = items(3, 2, 12, 10), network()
    inplace = network(inplace=True).requires_grad_(False)
    inplace.load_state_dict(plain.state_dict())
    torch.testing.assert_close(maps(name, plain, inputs), maps(name, inplace, inputs))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"smooth-grad"}))
def test_a_map_depends_on_its_own_item_only(name: str) -> None:
    inputs = items(GRADIENT_CHUNK + 3, 2, 8, 8)
    together = maps(name, network(), inputs)
    torch.testing.assert_close(together[-2:], maps(name, network(), inputs[-2:]))


@pytest.mark.parametrize("name", ["occlusion", "gradient-x-input", "integrated-gradients"])
def test_linear_network_is_explained_by_the_feature_that_it_uses(name: str) -> None:
    model = nn.Linear(6, 2)
    with torch.no_grad():
        model.weight.zero_()
        model.bias.zero_()
        model.weight[0, 2] = 3.0
    found = maps(name, model, torch.ones(1, 6))[0]
    assert found[2] > 0.1
    assert found[[0, 1, 3, 4, 5]].abs().max() < 1e-6


def test_methods_that_only_ask_take_any_callable() -> None:
    def answering(inputs: Tensor) -> Tensor:
        assert not inputs.requires_grad
        return torch.stack([inputs[:, 1], inputs[:, 0]], dim=1)

    for name in QUERY_ONLY:
        assert METHODS.get(name)(answering, items(3, 4)).shape == (3, 4)


def test_a_method_that_gives_the_wrong_shape_is_told_so() -> None:
    with pytest.raises(DataError, match="one map an item"):
        maps("test_methods_plugin:channels", network(), items(2, 2, 8, 8))


def test_a_network_that_answers_nan_is_told_so() -> None:
    model = dense(4)
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(DataError, match="not finite"):
        maps("occlusion", model, items(2, 4))


def test_unknown_method() -> None:
    with pytest.raises(PluginError, match="occlusion"):
        maps("stare", network(), items(1, 2, 8, 8))


def channels(model: nn.Module, inputs: Tensor) -> Tensor:
    return inputs.abs()


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "test_methods_plugin", sys.modules[__name__])
