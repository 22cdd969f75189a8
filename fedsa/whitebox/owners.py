"""The institutions of a simulation, laid open: their networks, weights and private items."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from safetensors.torch import load_file
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from fedsa.cache import cache
from fedsa.data.splits import Split
from fedsa.data.transfer import to_float
from fedsa.errors import RunError
from fedsa.models import build
from fedsa.pools import pool_key
from fedsa.private_training import Scaling
from fedsa.scenario import Scenario
from fedsa.seeding import derive
from fedsa.task import Task


@dataclass(frozen=True, eq=False)
class Owner:
    """An institution with nothing hidden.

    Parameters
    ----------
    id : str
        Its teacher's.
    network : nn.Module
        From items of the transfer set's shape, in [0, 1], to raw outputs; trained.
    items : Tensor
        ``(n, *shape)`` its private items as the student takes them.
    labels : Tensor
        Their labels, ``(n,)`` or ``(n, outputs)``.
    task : Task
        What it knows.
    """

    id: str
    network: nn.Module
    items: Tensor
    labels: Tensor
    task: Task


class Resized(nn.Module):
    """A teacher's network behind its own preprocessing: size, channels, normalisation."""

    def __init__(self, network: nn.Module, scaling: Scaling, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.network, self.scaling, self.shape = network, scaling, shape

    def forward(self, inputs: Tensor) -> Tensor:
        """Return raw outputs for items in [0, 1]."""
        found: Tensor = self.network(self.scaling(resized(inputs, self.shape)))
        return found


def resized(items: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return images ``(n, C, H, W)`` in another size or number of channels; vectors as they are."""
    if tuple(items.shape[1:]) == shape or items.ndim != 4:
        return items
    if items.shape[1] != shape[0]:
        items = items.mean(dim=1, keepdim=True).expand(-1, shape[0], -1, -1)
    return F.interpolate(items, size=shape[1:], mode="bilinear", align_corners=False)


def owners(scenario: Scenario, parts: Split) -> list[Owner]:
    """Open every trained teacher of a scenario's pool, in order of ids.

    Raises
    ------
    RunError
        If the pool is not on this machine: in a federation nobody can look inside a teacher.
    """
    folder = cache() / "pools" / pool_key(scenario)
    found = []
    for options in sorted(scenario.pool(), key=lambda one: one.id):
        if options.file is not None:
            continue
        weights = folder / options.id / "weights.safetensors"
        if not weights.exists():
            raise RunError(
                f"The weights of the teacher '{options.id}' are not here: methods that look inside "
                "teachers run in simulation only; leave them out of 'baselines'."
            )
        shard = parts.shards[options.id]
        shape = tuple(shard.inputs.shape[1:])
        seed = derive(scenario.seed, "teacher", options.id)
        network = build(options.model, shape, len(shard.classes), seed)
        network.load_state_dict(load_file(weights))
        items = resized(to_float(shard.inputs), tuple(parts.transfer.array.shape[1:]))
        own = Resized(network, Scaling.of(shard.inputs), shape).eval()
        labels = torch.from_numpy(shard.labels)
        found.append(Owner(options.id, own, items, labels, shard.task))
    return found


def head(network: nn.Module) -> nn.Linear:
    """Return the last linear layer, which reads the embedding.

    Raises
    ------
    RunError
        If there is none.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    if not layers:
        raise RunError("A network without a linear layer has no embedding to read.")
    return layers[-1]


@contextmanager
def embedding(network: nn.Module) -> Iterator[list[Tensor]]:
    """Catch what the head reads, ``(n, width)``, in every forward pass of the block."""
    caught: list[Tensor] = []
    hook = head(network).register_forward_pre_hook(lambda _, given: caught.append(given[0]))
    try:
        yield caught
    finally:
        hook.remove()


def embed(network: nn.Module, items: Tensor) -> Tensor:
    """Return the embedding of items, ``(n, width)``, with gradients if they are on."""
    with embedding(network) as caught:
        network(items)
    return caught[-1]


def with_new_head(network: nn.Module, outputs: int, seed: int) -> nn.Module:
    """Give a network a fresh head of another width, in place, and return it."""
    old = head(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = nn.Linear(old.in_features, outputs)
    for parent in network.modules():
        for name, child in parent.named_children():
            if child is old:
                setattr(parent, name, fresh)
    return network


def batches(count: int, size: int, epochs: int, generator: Generator) -> Iterator[Tensor]:
    """Yield the batches of some epochs, each in a fresh order; none of a single item."""
    for _ in range(epochs):
        order = torch.randperm(count, generator=generator)
        for batch in order.tensor_split(max(1, count // size)):
            yield batch if len(batch) > 1 else batch.repeat(2)
