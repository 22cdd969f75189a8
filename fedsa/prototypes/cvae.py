"""The variational model of Hoang, Lam, Low and Jaillet (ICML 2020, sections 3.1 and 3.2).

An expert with the meta-information tau (its classes, multi-hot) answers eta about x. Two hidden
codes make both: w, which prototype is at work, and z, what the item shows:

    p(w, z, x, eta, tau) = p_theta(x|w, z) p_gamma(w|tau) p_alpha(eta|z) p(tau) p(z)

with p(z) = N(0, I) and the inference networks q_phi(z|x, eta), q_phi(w|x, tau). A prototype is
the predictor G_w(eta|x) that w makes; an expert is the distribution p_gamma(w|tau) over
prototypes. Codes are Gaussian; the sizes are the paper's for digits. What it leaves open:

* Classes stand in one list of G columns that all experts share; tau marks those of an expert,
  and p_alpha(eta|z) is renormalised over them: nobody is asked about classes of another task.
* Pixels are Bernoulli with their grey value as the mean; other inputs are Gaussian with one
  variance that is learnt.
* The sign of the regulariser F_I = E_q(w|x,tau) log q_psi(eta|w) is contradictory in the paper.
  Sound is: psi maximises F_I (so that it bounds the information of w on eta from below, up to a
  constant) and phi minimises it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CODE_W, CODE_Z, WIDTH = 2, 5, 100
"""|w|, |z| and the width of every hidden layer (Hoang et al., section 4)."""


@dataclass(frozen=True)
class Gaussian:
    """A normal distribution with independent components.

    Parameters
    ----------
    mean, scale : Tensor
        ``(..., d)``, standard deviations above 0.
    """

    mean: Tensor
    scale: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """Turn standard normal ``noise`` into a draw that gradients pass through."""
        return self.mean + self.scale * noise

    def divergence(self, other: Gaussian) -> Tensor:
        """Return KL(self || other) in nats, ``(...)``."""
        ratio = self.scale / other.scale
        shift = (self.mean - other.mean) / other.scale
        parts: Tensor = 0.5 * (ratio.square() + shift.square() - 1.0) - ratio.log()
        return parts.sum(dim=-1)

    def log_density(self, value: Tensor) -> Tensor:
        """Return log N(value) in nats, ``(...)``."""
        away = (value - self.mean) / self.scale
        parts: Tensor = -0.5 * (away.square() + math.log(2 * math.pi)) - self.scale.log()
        return parts.sum(dim=-1)


@dataclass(frozen=True)
class Bound:
    """The parts of the evidence lower bound, each ``(n,)`` in nats, and the code that was drawn.

    ``elbo = pixels + answer - code_z - code_w``: E_q log p_theta(x|w,z), E_q log p_alpha(eta|z),
    KL(q(z|x,eta) || p(z)) and KL(q(w|x,tau) || p_gamma(w|tau)).
    """

    pixels: Tensor
    answer: Tensor
    code_z: Tensor
    code_w: Tensor
    w: Tensor

    @property
    def elbo(self) -> Tensor:
        """The bound L of each pair of item and expert."""
        return self.pixels + self.answer - self.code_z - self.code_w


class PrototypeVAE(nn.Module):
    """The factorised conditional variational autoencoder.

    Parameters
    ----------
    size : int
        Numbers of one item, flattened.
    classes : int
        G, columns of the shared list of classes.
    pixels : bool
        Whether inputs are grey values in [0, 1].
    """

    def __init__(self, size: int, classes: int, pixels: bool) -> None:
        super().__init__()
        self.size, self.classes, self.pixels = size, classes, pixels
        self.theta = _mlp(CODE_W + CODE_Z, size, layers=2)
        self.alpha = _mlp(CODE_Z, classes, layers=2)
        self.psi = _mlp(CODE_W, classes, layers=2)
        self.gamma = _mlp(classes, 2 * CODE_W, layers=1)
        self.phi_z = _mlp(size + classes, 2 * CODE_Z, layers=1)
        self.phi_w = _mlp(size + classes, 2 * CODE_W, layers=1)
        self.noise = nn.Parameter(torch.zeros(()))
        """Log standard deviation of inputs that are not pixels."""

    def prior(self, tau: Tensor) -> Gaussian:
        """Return p_gamma(w|tau), an expert's distribution over prototypes; tau is ``(..., G)``."""
        return _gaussian(self.gamma(tau))

    def infer_w(self, x: Tensor, tau: Tensor) -> Gaussian:
        """Return q_phi(w|x, tau)."""
        return _gaussian(self.phi_w(torch.cat([x, tau], dim=1)))

    def infer_z(self, x: Tensor, eta: Tensor) -> Gaussian:
        """Return q_phi(z|x, eta)."""
        return _gaussian(self.phi_z(torch.cat([x, eta], dim=1)))

    def log_pixels(self, x: Tensor, w: Tensor, z: Tensor) -> Tensor:
        """Return log p_theta(x|w, z) in nats, ``(n,)``, of ``(n, size)`` inputs."""
        made = self.theta(torch.cat([w, z], dim=1))
        if self.pixels:
            return -F.binary_cross_entropy_with_logits(made, x, reduction="none").sum(dim=1)
        return Gaussian(made, self.noise.exp()).log_density(x)

    def log_classes(self, z: Tensor, tau: Tensor) -> Tensor:
        """Return log p_alpha(y|z) over the classes of ``tau``, ``(..., G)``; others are -inf."""
        return _within(self.alpha(z), tau)

    def bound(self, x: Tensor, eta: Tensor, tau: Tensor, noise: Tensor) -> Bound:
        """Return the parts of the evidence lower bound with one draw of the codes.

        Parameters
        ----------
        x : Tensor
            ``(n, size)`` inputs.
        eta : Tensor
            ``(n, G)`` answers, zero outside of the expert's classes.
        tau : Tensor
            ``(n, G)`` the experts' classes, 0 or 1.
        noise : Tensor
            ``(n, |w| + |z|)`` standard normal.
        """
        about_w, about_z = self.infer_w(x, tau), self.infer_z(x, eta)
        w, z = about_w.sample(noise[:, :CODE_W]), about_z.sample(noise[:, CODE_W:])
        even = Gaussian(torch.zeros_like(z), torch.ones_like(z))
        return Bound(
            pixels=self.log_pixels(x, w, z),
            answer=_expected(eta, self.log_classes(z, tau)),
            code_z=about_z.divergence(even),
            code_w=about_w.divergence(self.prior(tau)),
            w=w,
        )

    def information(self, w: Tensor, eta: Tensor, tau: Tensor) -> Tensor:
        """Return log q_psi(eta|w) in nats, ``(n,)``; its mean over q(w|x,tau) is F_I.

        One loss serves both players: gradients reach psi as they are, and ``w`` reversed. So
        *adding* F_I to what is maximised makes psi maximise and phi minimise it.
        """
        reversed_w = 2.0 * w.detach() - w
        return _expected(eta, _within(self.psi(reversed_w), tau))

    def prototype(self, x: Tensor, w: Tensor, z: Tensor, tau: Tensor) -> Tensor:
        """Return G_w(y|x), ``(W, n, G)``, on the simplex of the classes of ``tau``.

        G_w(y|x) is proportional to sum_j p_theta(x|z_j, w) p_alpha(y|z_j) with z_j from p(z). It
        is normalised over the classes, so that 1 - G_w(y|x) is a loss in [0, 1] with gradients;
        the shares of the z_j are a softmax, so that tiny densities do not underflow.

        Parameters
        ----------
        x : Tensor
            ``(n, size)``.
        w : Tensor
            ``(W, |w|)`` prototypes.
        z : Tensor
            ``(m, |z|)`` draws from p(z), shared by all.
        tau : Tensor
            ``(G,)`` the task's classes.
        """
        classes = self.log_classes(z, tau).exp()
        return torch.stack([self._log_pixels_each(x, one, z).softmax(dim=1) @ classes for one in w])

    def _log_pixels_each(self, x: Tensor, w: Tensor, z: Tensor) -> Tensor:
        """Return log p_theta(x_i|w, z_j) less a constant of x_i, ``(n, m)``."""
        made: Tensor = self.theta(torch.cat([w.expand(len(z), -1), z], dim=1))
        if self.pixels:
            return x @ made.T - F.softplus(made).sum(dim=1)
        away = torch.cdist(x, made).square()
        density: Tensor = -0.5 * away / (2.0 * self.noise).exp()
        return density


def _mlp(inputs: int, outputs: int, layers: int) -> nn.Sequential:
    hidden: list[nn.Module] = []
    for layer in range(layers):
        hidden += [nn.Linear(inputs if layer == 0 else WIDTH, WIDTH), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(WIDTH, outputs))


def _gaussian(raw: Tensor) -> Gaussian:
    mean, free = raw.chunk(2, dim=-1)
    return Gaussian(mean, F.softplus(free + 0.5) + 1e-3)  # about 1 where nothing is known


def _within(scores: Tensor, tau: Tensor) -> Tensor:
    return scores.masked_fill(tau == 0, -torch.inf).log_softmax(dim=-1)


def _expected(eta: Tensor, logs: Tensor) -> Tensor:
    return (eta * logs.clamp_min(-30.0)).sum(dim=-1)
