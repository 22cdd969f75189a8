"""Fitting the model of Hoang et al. to a pool of experts; the new task may be one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedsa.fusion.training import train
from fedsa.options import StudentOptions
from fedsa.prototypes.cvae import CODE_W, CODE_Z, PrototypeVAE
from fedsa.seeding import derive, torch_generator

INFORMATION = 10.0
"""Weight of the regulariser F_I against the evidence lower bound."""

ANSWERS = 10.0
"""Weight of log p_alpha(eta|z) against log p_theta(x|w,z).

The paper does not say how pixels are scored, and a Gaussian of another variance weighs them
otherwise. With a weight of 1 a hundred nats of pixels leave z little reason to hold the class.
"""


@dataclass(frozen=True)
class Expert:
    """What one expert answered.

    Parameters
    ----------
    items : Tensor
        ``(k,)`` indices of the items that it answered, k > 0.
    answers : Tensor
        ``(k, C_i)`` its distributions.
    columns : Tensor
        ``(C_i,)`` where its classes stand in the shared list of G classes.
    weight : float
        How often it is drawn, against the others.
    """

    items: Tensor
    answers: Tensor
    columns: Tensor
    weight: float = 1.0

    def tau(self, classes: int) -> Tensor:
        """Return the meta-information: ``(G,)``, 1 for a class of its own."""
        return torch.zeros(classes).index_fill_(0, self.columns, 1.0)


def labelled(items: Tensor, labels: Tensor, columns: Tensor, weight: float) -> Expert:
    """Return the new task as one more expert, which answers its few items by their labels."""
    truth = F.one_hot(labels, len(columns)).to(torch.float32)
    return Expert(items, truth, columns, weight)


class Pool:
    """Experts' answers as one list of pairs of an expert and an item.

    Parameters
    ----------
    inputs : Tensor
        ``(n, size)`` all items, flattened.
    experts : Sequence[Expert]
        Who answered.
    classes : int
        G, length of the shared list of classes.
    """

    def __init__(self, inputs: Tensor, experts: Sequence[Expert], classes: int) -> None:
        self.inputs, self.experts, self.classes = inputs, tuple(experts), classes
        self.sizes = torch.tensor([len(expert.items) for expert in experts])
        self.ends = self.sizes.cumsum(0)
        self.items = torch.cat([expert.items for expert in experts])
        self.taus = torch.stack([expert.tau(classes) for expert in experts])

    def draw(self, pairs: int, generator: torch.Generator) -> Tensor:
        """Draw pairs: an expert by its weight, then one of its items, all alike."""
        weights = torch.tensor([expert.weight for expert in self.experts])
        owners = torch.multinomial(weights, pairs, replacement=True, generator=generator)
        place = torch.rand(pairs, generator=generator, dtype=torch.float64) * self.sizes[owners]
        return (self.ends - self.sizes)[owners] + place.long()

    def batch(self, pairs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return inputs ``(b, size)``, answers and meta-information ``(b, G)`` of some pairs."""
        owners = torch.searchsorted(self.ends, pairs, right=True)
        eta = torch.zeros(len(pairs), self.classes)
        for owner in owners.unique().tolist():  # type: ignore[no-untyped-call]
            expert, rows = self.experts[owner], (owners == owner).nonzero()[:, 0]
            local = pairs[rows] - (self.ends[owner] - self.sizes[owner])
            eta[rows[:, None], expert.columns] = expert.answers[local]
        return self.inputs[self.items[pairs]], eta, self.taus[owners]


def start(pool: Pool, pixels: bool, seed: int) -> PrototypeVAE:
    """Return a fresh model for the pool."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "cvae", "start"))
        return PrototypeVAE(pool.inputs.shape[1], pool.classes, pixels)


def fit(
    model: PrototypeVAE,
    pool: Pool,
    steps: int,
    options: StudentOptions,
    seed: int,
    *purpose: str | int,
    information: float = INFORMATION,
    answers: float = ANSWERS,
) -> tuple[PrototypeVAE, float]:
    """Maximise the mean over experts of L + F_I, in which phi works against F_I.

    Parameters
    ----------
    model : PrototypeVAE
        Trained in place; goes on from where it is.
    pool : Pool
        Whom to learn from.
    steps : int
        Optimiser steps, of ``options.batch`` pairs each.
    options : StudentOptions
        Batch size and optimiser settings.
    seed, purpose
        Name the streams of pairs and of noise.
    information : float
        Weight of the regulariser; 0 leaves it out.

    Returns
    -------
    tuple[PrototypeVAE, float]
        The moving average of the model, and the loss of the last steps in nats a pair.
    """
    pairs = pool.draw(max(1, steps) * options.batch, torch_generator(seed, *purpose, "pairs"))
    generator = torch_generator(seed, *purpose, "noise")

    def loss(module: nn.Module, batch: Tensor, step: int) -> Tensor:
        assert isinstance(module, PrototypeVAE)
        x, eta, tau = pool.batch(batch)
        noise = torch.randn((len(x), CODE_W + CODE_Z), generator=generator)
        bound = module.bound(x, eta, tau, noise)
        value = (bound.elbo + (answers - 1.0) * bound.answer).mean()
        if information > 0:
            value = value + information * module.information(bound.w, eta, tau).mean()
        return -value

    found, last = train(model, loss, pairs, steps, options, seed, *purpose)
    assert isinstance(found, PrototypeVAE)
    return found, last
