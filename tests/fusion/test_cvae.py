"""The variational model in training: it learns, adapts, and solves few-shot tasks."""

from __future__ import annotations

import math

import pytest
import torch

from fedsa.fusion.cvae_adapt import DELTA, Adapted, adapt
from fedsa.fusion.cvae_training import Expert, Pool, fit, labelled, start
from fedsa.options import StudentOptions
from fedsa.prototypes.cvae import CODE_W, CODE_Z, PrototypeVAE

OPTIONS = StudentOptions(batch=64, learning_rate=5e-3)


def stripes() -> Pool:
    """Two experts on 3x3 pictures of four kinds, each sure of its own two and at a loss else."""
    draw = torch.Generator().manual_seed(0)
    kinds = torch.arange(200) % 4
    pictures = torch.zeros(4, 9)
    for kind, lit in enumerate(([0, 1, 2], [6, 7, 8], [0, 3, 6], [2, 5, 8])):
        pictures[kind, lit] = 1.0
    x = (0.1 + 0.8 * pictures[kinds] + 0.05 * torch.randn(200, 9, generator=draw)).clamp(0, 1)
    experts = []
    for own in ([0, 1], [2, 3]):
        sure = 4.0 * (kinds[:, None] == torch.tensor(own)).float()
        experts.append(Expert(torch.arange(200), sure.softmax(dim=1), torch.tensor(own)))
    return Pool(x, experts, 4)


def elbo(model: PrototypeVAE, pool: Pool) -> float:
    pairs = pool.draw(400, torch.Generator().manual_seed(1))
    noise = torch.randn((400, CODE_W + CODE_Z), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        return float(model.bound(*pool.batch(pairs), noise).elbo.mean())


@pytest.fixture(scope="module")
def pool() -> Pool:
    return stripes()


@pytest.fixture(scope="module")
def model(pool: Pool) -> PrototypeVAE:
    return fit(start(pool, True, 0), pool, 250, OPTIONS, 0, "test")[0]


def test_a_batch_puts_answers_into_the_experts_columns(pool: Pool) -> None:
    x, eta, tau = pool.batch(torch.tensor([3, 200 + 7]))
    torch.testing.assert_close(x, pool.inputs[[3, 7]])
    assert eta[0, 2:].sum() == 0 and eta[1, :2].sum() == 0
    torch.testing.assert_close(eta[0, :2], pool.experts[0].answers[3])
    torch.testing.assert_close(eta[1, 2:], pool.experts[1].answers[7])
    assert tau.tolist() == [[1, 1, 0, 0], [0, 0, 1, 1]]


def test_experts_are_drawn_by_weight_and_their_items_alike() -> None:
    even = torch.full((30, 2), 0.5)
    experts = [
        Expert(torch.arange(30), even, torch.tensor([0, 1]), 1.0),
        labelled(torch.tensor([4, 9]), torch.tensor([0, 1]), torch.tensor([2, 3]), 3.0),
    ]
    drawn = Pool(torch.zeros(30, 5), experts, 4).draw(40_000, torch.Generator().manual_seed(0))
    counts = torch.bincount(drawn, minlength=32) / 40_000
    torch.testing.assert_close(counts[30:], torch.full((2,), 0.375), atol=0.02, rtol=0)
    torch.testing.assert_close(counts[:30], torch.full((30,), 0.25 / 30), atol=0.003, rtol=0)


def test_training_raises_the_bound_and_stays_finite(pool: Pool, model: PrototypeVAE) -> None:
    before, after = elbo(start(pool, True, 0), pool), elbo(model, pool)
    assert math.isfinite(after) and after > before + 1.0
    assert after < 0.0  # grey values and labels cannot be more likely than sure


def test_the_same_seed_gives_the_same_bits(pool: Pool) -> None:
    one, other = (fit(start(pool, True, 3), pool, 8, OPTIONS, 3, "again")[0] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.fixture(scope="module")
def adapted(pool: Pool, model: PrototypeVAE) -> Adapted:
    tau = pool.taus[0]
    return adapt(model, pool.inputs[[0, 1, 4, 5]], torch.tensor([0, 1, 0, 1]), tau, 0)


def test_adaptation_lowers_the_bound(adapted: Adapted) -> None:
    # Where it starts the divergence is zero: only the loss and the price of delta are left.
    price = math.sqrt(math.log(4 / DELTA) / 7)
    assert price < adapted.bounds[0] < 1.0 + price
    assert min(adapted.bounds) < adapted.bounds[0]
    assert all(math.isfinite(bound) for bound in adapted.bounds)


def test_the_bound_holds_its_posterior_to_the_prior(pool: Pool, adapted: Adapted) -> None:
    """The divergence paid for is what the bound allows: risk is not below zero."""
    with torch.no_grad():
        paid = float(adapted.posterior.divergence(adapted.model.prior(adapted.tau)))
    assert 0.0 <= paid <= 7 * min(adapted.bounds) ** 2


def test_the_new_model_answers_within_its_task(pool: Pool, adapted: Adapted) -> None:
    told = adapted.predict(pool.inputs)
    torch.testing.assert_close(told.sum(dim=1), torch.ones(200))
    assert bool((told[:, 2:] == 0).all())
    mine = torch.arange(200) % 4 < 2
    right = (told.argmax(dim=1) == torch.arange(200) % 4)[mine].float().mean()
    assert float(right) > 0.95
    votes = adapted.predict(pool.inputs, votes=True)
    assert bool(((votes * len(adapted.w)).round() == votes * len(adapted.w)).all())
