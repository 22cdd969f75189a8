"""The variational model: its terms against closed forms and sampling, and its players' signs."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn import functional as F

from fedsa.prototypes.cvae import CODE_W, CODE_Z, Gaussian, PrototypeVAE

SEEDS = st.integers(0, 10**6)
CLASSES, SIZE = 6, 12
TAU = torch.tensor([1.0, 1.0, 0.0, 1.0, 0.0, 0.0])


def gaussian(seed: int, rows: int = 1, width: int = 3) -> Gaussian:
    draw = torch.Generator().manual_seed(seed)
    mean, raw = torch.randn((2, rows, width), generator=draw, dtype=torch.float64)
    return Gaussian(mean, F.softplus(raw) + 0.1)


def model(pixels: bool = True, seed: int = 0) -> PrototypeVAE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PrototypeVAE(SIZE, CLASSES, pixels)


def case(n: int = 8, seed: int = 1) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    x = torch.rand((n, SIZE), generator=draw)
    scores = torch.randn((n, CLASSES), generator=draw).masked_fill(TAU == 0, -torch.inf)
    noise = torch.randn((n, CODE_W + CODE_Z), generator=draw)
    return x, scores.softmax(dim=1), TAU.expand(n, -1), noise


@given(SEEDS)
@settings(deadline=None)
def test_divergence_is_torchs(seed: int) -> None:
    a, b = gaussian(seed, 4), gaussian(seed + 1, 4)
    wanted = kl_divergence(
        Independent(Normal(a.mean, a.scale), 1), Independent(Normal(b.mean, b.scale), 1)
    )
    torch.testing.assert_close(a.divergence(b), wanted)
    torch.testing.assert_close(a.divergence(a), torch.zeros(4, dtype=torch.float64))


def test_divergence_is_the_mean_log_ratio_of_densities() -> None:
    a, b = gaussian(3), gaussian(4)
    draw = torch.Generator().manual_seed(0)
    values = a.sample(torch.randn((200_000, 3), generator=draw, dtype=torch.float64))
    ratios = a.log_density(values) - b.log_density(values)
    error = float(ratios.std()) / math.sqrt(len(ratios))
    assert abs(float(ratios.mean()) - float(a.divergence(b))) < 4 * error


def test_an_experts_distribution_over_prototypes_is_normalised() -> None:
    """Summed over a fine grid of the two dimensions of w."""
    with torch.no_grad():
        prior = model().prior(TAU)
        axis = torch.linspace(-12, 12, 400)
        grid = torch.cartesian_prod(axis, axis)
        mass = prior.log_density(grid).exp().sum() * (24 / 399) ** 2
    assert float(mass) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("pixels", [True, False])
def test_the_bound_is_put_together_from_its_parts(pixels: bool) -> None:
    """Each part once more, by torch's own distributions, from the networks' raw outputs."""
    net = model(pixels)
    x, eta, tau, noise = case()
    with torch.no_grad():
        found = net.bound(x, eta, tau, noise)
        w_mean, w_raw = net.phi_w(torch.cat([x, tau], 1)).chunk(2, 1)
        z_mean, z_raw = net.phi_z(torch.cat([x, eta], 1)).chunk(2, 1)
        g_mean, g_raw = net.gamma(tau).chunk(2, 1)
        w_scale, z_scale, g_scale = (F.softplus(r + 0.5) + 1e-3 for r in (w_raw, z_raw, g_raw))
        w = w_mean + w_scale * noise[:, :CODE_W]
        z = z_mean + z_scale * noise[:, CODE_W:]
        made = net.theta(torch.cat([w, z], 1))
        told = Normal(made, 1.0).log_prob(x) if not pixels else x * made - F.softplus(made)
        inside = net.alpha(z)[:, TAU == 1].log_softmax(dim=1)
        wanted = told.sum(1) + (eta[:, TAU == 1] * inside).sum(1)
        wanted = wanted - kl_divergence(Normal(z_mean, z_scale), Normal(0.0, 1.0)).sum(1)
        wanted = wanted - kl_divergence(Normal(w_mean, w_scale), Normal(g_mean, g_scale)).sum(1)
    torch.testing.assert_close(found.elbo, wanted)


def test_the_bound_stays_below_the_evidence() -> None:
    """log p(x, eta|tau) by plain sampling of w and z; a Monte Carlo mean of the bound is below."""
    net = model(seed=2)
    x, eta, tau, _ = case(1)
    draw = torch.Generator().manual_seed(5)
    count = 20_000
    with torch.no_grad():
        codes = torch.randn((count, CODE_W + CODE_Z), generator=draw)
        w = net.prior(TAU).sample(codes[:, :CODE_W])
        z = codes[:, CODE_W:]
        each = net.log_pixels(x.expand(count, -1), w, z)
        each = each + (eta * net.log_classes(z, TAU).clamp_min(-30)).sum(1)
        evidence = float(torch.logsumexp(each, 0)) - math.log(count)
        noise = torch.randn((2000, CODE_W + CODE_Z), generator=draw)
        rows = [part.expand(2000, -1) for part in (x, eta, tau)]
        elbo = float(net.bound(*rows, noise).elbo.mean())
    assert elbo < evidence
    assert evidence - elbo < 10.0  # and it is no empty bound


def test_psi_works_for_the_information_and_phi_against_it() -> None:
    """One step on the regulariser alone: psi's gradient is kept, that of w is turned round."""
    net = model()
    x, eta, tau, noise = case()
    w = net.infer_w(x, tau).sample(noise[:, :CODE_W])
    value = net.information(w, eta, tau).mean()
    plain_w = w.detach().requires_grad_()
    plain = (eta[:, TAU == 1] * net.psi(plain_w)[:, TAU == 1].log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(value, plain)
    psi = list(net.psi.parameters())
    kept = torch.autograd.grad(value, [w, *psi], retain_graph=True)
    wanted = torch.autograd.grad(plain, [plain_w, *psi])
    torch.testing.assert_close(kept[0], -wanted[0])
    for one, other in zip(kept[1:], wanted[1:], strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("pixels", [True, False])
def test_a_prototype_is_the_sum_over_z_written_out(pixels: bool) -> None:
    net = model(pixels)
    x, _, _, _ = case(3)
    draw = torch.Generator().manual_seed(7)
    w, z = torch.randn((2, CODE_W), generator=draw), torch.randn((5, CODE_Z), generator=draw)
    with torch.no_grad():
        found = net.prototype(x, w, z, TAU)
        for i in range(2):
            for item in range(3):
                mass = torch.zeros(CLASSES, dtype=torch.float64)
                for j in range(5):
                    density = net.log_pixels(x[item : item + 1], w[i : i + 1], z[j : j + 1])
                    mass += (density.double() + net.log_classes(z[j], TAU).double()).exp()
                torch.testing.assert_close(
                    found[i, item].double(), mass / mass.sum(), rtol=1e-3, atol=1e-5
                )
    torch.testing.assert_close(found.sum(dim=2), torch.ones(2, 3))
    assert bool((found[..., TAU == 0] == 0).all())
