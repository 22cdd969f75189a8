"""The new task's distribution over prototypes, by a PAC-Bayes bound (Hoang et al., section 3.3).

q_lambda(w) = N(mean, scale^2) starts at the task's p_gamma(w|tau*) and minimises over lambda

    G^(q_lambda) + sqrt[ (KL(q_lambda || p_gamma(w|tau*)) + log(|D| / delta)) / (2 |D| - 1) ]

where G^ is the mean over w of q_lambda and over the labelled items D of 1 - G_w(y|x). (In
the paper the loss goes through an argmax, which has no gradient.) The bound holds for a prior
that did not see D; with the label mapping ``pool``, in which D is one of the experts, it is an
objective and no certificate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fedsa.prototypes.cvae import CODE_W, CODE_Z, Gaussian, PrototypeVAE
from fedsa.seeding import torch_generator

DRAWS_W, DRAWS_Z = 8, 300
"""n draws of w and m of z (the paper leaves both open); z has five dimensions, so m is large."""
STEPS, RATE = 40, 0.05
DELTA = 0.05
"""Probability with which the bound may fail."""

_CHUNK = 256


@dataclass(frozen=True)
class Adapted:
    """The new model B_*.

    Parameters
    ----------
    model : PrototypeVAE
        Shared prototypes.
    w : Tensor
        ``(n, |w|)`` draws from q_lambda.
    z : Tensor
        ``(m, |z|)`` draws from p(z).
    tau : Tensor
        ``(G,)`` the task's classes.
    posterior : Gaussian
        q_lambda.
    bounds : tuple[float, ...]
        The objective before each step and after the last.
    """

    model: PrototypeVAE
    w: Tensor
    z: Tensor
    tau: Tensor
    posterior: Gaussian
    bounds: tuple[float, ...]

    @torch.no_grad()
    def predict(self, x: Tensor, votes: bool = False) -> Tensor:
        """Return the mean over w of G_w(y|x), ``(n, G)``; classes of other tasks have 0.

        Parameters
        ----------
        x : Tensor
            ``(n, size)``.
        votes : bool
            Give the mean of the most likely classes instead, which is the paper's B_*.
        """
        parts = []
        for chunk in torch.split(x, _CHUNK):
            each = self.model.prototype(chunk, self.w, self.z, self.tau)
            if votes:
                each = torch.nn.functional.one_hot(each.argmax(dim=2), each.shape[2]).float()
            parts.append(each.mean(dim=0))
        return torch.cat(parts)


def adapt(
    model: PrototypeVAE,
    x: Tensor,
    columns: Tensor,
    tau: Tensor,
    seed: int,
    steps: int = STEPS,
    delta: float = DELTA,
) -> Adapted:
    """Minimise the bound over lambda.

    The draws of z and the noise of w are the same in all steps, so the objective is a fixed
    function of lambda; the best lambda that was met is returned.

    Parameters
    ----------
    model : PrototypeVAE
        Left as it is.
    x : Tensor
        ``(|D|, size)`` the labelled items.
    columns : Tensor
        ``(|D|,)`` the columns of their classes.
    tau : Tensor
        ``(G,)`` the task's classes.
    seed : int
        Names the draws.
    steps : int
        Steps of Adam.
    delta : float
        Probability with which the bound may fail.
    """
    generator = torch_generator(seed, "cvae", "adapt")
    z = torch.randn((DRAWS_Z, CODE_Z), generator=generator)
    noise = torch.randn((DRAWS_W // 2, CODE_W), generator=generator)
    noise = torch.cat([noise, -noise])
    with torch.no_grad():
        prior = model.prior(tau)
    mean, log_scale = prior.mean.clone(), prior.scale.log()
    mean.requires_grad_()
    log_scale.requires_grad_()

    def bound() -> Tensor:
        posterior = Gaussian(mean, log_scale.exp())
        told = model.prototype(x, posterior.sample(noise), z, tau)
        risk = (1.0 - told[:, torch.arange(len(x)), columns]).mean()
        room = posterior.divergence(prior) + math.log(len(x) / delta)
        return risk + (room / (2 * len(x) - 1)).sqrt()

    optimiser = torch.optim.Adam([mean, log_scale], lr=RATE)
    bounds: list[float] = []
    best, found = math.inf, Gaussian(mean.detach().clone(), log_scale.detach().exp())
    for step in range(steps + 1):
        value = bound()
        bounds.append(float(value.detach()))
        if bounds[-1] < best:
            best = bounds[-1]
            found = Gaussian(mean.detach().clone(), log_scale.detach().exp())
        if step < steps:
            gradients = torch.autograd.grad(value, [mean, log_scale])
            mean.grad, log_scale.grad = gradients
            optimiser.step()
    return Adapted(model, found.sample(noise), z, tau, found, tuple(bounds))
