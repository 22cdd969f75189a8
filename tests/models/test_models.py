"""The built-in networks, by name."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fedsa.errors import PluginError
from fedsa.models import MODELS, build

IMAGE_MODELS = (
    "conv",
    "conv-wide",
    "conv-grid",
    "resnet8",
    "resnet14",
    "resnet20",
    "mobile",
    "mixer",
)


def make_text(shape: tuple[int, ...], outputs: int) -> str:
    """Return something that is no network (a faulty factory)."""
    return f"{shape} {outputs}"


def parameters(model: nn.Module) -> list[torch.Tensor]:
    return [value.detach().clone() for value in model.parameters()]


@pytest.mark.parametrize("name", sorted(MODELS.builtins))
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 13), (1, 28, 28)])
def test_every_model_takes_every_image_shape(name: str, shape: tuple[int, ...]) -> None:
    model = build(name, shape, 5, seed=0)
    raw = model(torch.rand(3, *shape))
    assert raw.shape == (3, 5)
    assert torch.isfinite(raw).all()


@pytest.mark.parametrize("name", ["conv", "resnet8", "mlp"])
def test_same_seed_same_weights_and_other_seed_other_weights(name: str) -> None:
    first, again, other = (build(name, (1, 8, 8), 4, seed) for seed in (7, 7, 8))
    assert all(map(torch.equal, parameters(first), parameters(again)))
    assert not all(map(torch.equal, parameters(first), parameters(other)))


def test_building_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    build("conv", (1, 8, 8), 4, seed=3)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(("name", "depth"), [("resnet8", 8), ("resnet14", 14), ("resnet20", 20)])
def test_resnets_are_as_deep_as_their_names(name: str, depth: int) -> None:
    model = build(name, (1, 8, 8), 2, seed=0)
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len(layers) + 1 == depth  # the last layer is linear


def test_conv_wide_is_wider_and_none_drops_out() -> None:
    sizes = {
        name: sum(p.numel() for p in build(name, (1, 8, 8), 2, 0).parameters())
        for name in ("conv", "conv-wide")
    }
    assert sizes["conv-wide"] > 3 * sizes["conv"]
    for name in MODELS.builtins:
        assert not any(
            "Dropout" in type(m).__name__ for m in build(name, (1, 8, 8), 2, 0).modules()
        )


@settings(max_examples=20, deadline=None)
@given(size=st.integers(1, 40), outputs=st.integers(1, 9))
def test_mlp_takes_vectors_of_any_length(size: int, outputs: int) -> None:
    assert build("mlp", (size,), outputs, seed=0)(torch.rand(2, size)).shape == (2, outputs)


@pytest.mark.parametrize("name", IMAGE_MODELS)
@pytest.mark.parametrize("shape", [(30,), (1, 7, 28), (28, 28)])
def test_image_models_say_what_they_want(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(PluginError, match="wants images"):
        build(name, shape, 3, seed=0)


def test_a_factory_that_makes_no_module_is_refused() -> None:
    with pytest.raises(PluginError, match="must return a torch.nn.Module"):
        build(f"{__name__}:make_text", (4,), 2, seed=0)


def test_conv_learns_from_six_labels_a_class() -> None:
    generator = torch.Generator().manual_seed(0)
    patterns = torch.rand(3, 1, 12, 12, generator=generator)
    labels = torch.arange(3).repeat(6)
    inputs = patterns[labels] + 0.3 * torch.randn(18, 1, 12, 12, generator=generator)
    model = build("conv", (1, 12, 12), 3, seed=0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(60):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimiser.step()
    fresh = torch.arange(3).repeat(20)
    noise = 0.3 * torch.randn(60, 1, 12, 12, generator=generator)
    hits = model.eval()(patterns[fresh] + noise).argmax(dim=1) == fresh
    assert hits.float().mean() > 0.9
