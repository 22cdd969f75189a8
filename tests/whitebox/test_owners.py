"""What is laid open of a simulated institution."""

from __future__ import annotations

import torch
from torch import nn

from fedsa.models import build
from fedsa.whitebox.owners import embed, head, resized, with_new_head


def test_images_are_brought_to_another_size_and_channels() -> None:
    items = torch.rand(3, 1, 8, 8)
    assert resized(items, (3, 28, 28)).shape == (3, 3, 28, 28)
    assert resized(items, (1, 8, 8)) is items
    assert resized(torch.full((1, 3, 4, 4), 0.5), (1, 2, 2)).allclose(torch.tensor(0.5))


def test_the_embedding_is_what_the_head_reads() -> None:
    for name in ("conv", "resnet8", "mlp"):
        network = build(name, (1, 28, 28), 10, seed=1).eval()
        items = torch.rand(4, 1, 28, 28)
        with torch.no_grad():
            assert head(network)(embed(network, items)).allclose(network(items), atol=1e-5)


def test_a_new_head_leaves_the_rest_as_it_is() -> None:
    network = build("conv", (1, 28, 28), 4, seed=1).eval()
    items = torch.rand(2, 1, 28, 28)
    before = embed(network, items)
    changed = with_new_head(network, 10, seed=2)
    assert changed(items).shape == (2, 10) and embed(changed, items).equal(before)
    assert isinstance(head(changed), nn.Linear) and head(changed).out_features == 10
