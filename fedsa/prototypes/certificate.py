"""A bound on the student's error rate, from labels that no training has seen.

Two certificates from the same ``n`` labels, drawn at random and kept from training. Each holds
with probability 1 - delta over their draw:

* the student as it is, by the exact inversion of the binomial tail (Clopper and Pearson, 1934;
  Langford, JMLR 2005, theorem 3.3);
* a randomised student, whose emissions are drawn for every answer, by PAC-Bayes-kl (Seeger, JMLR
  2002; Maurer, arXiv cs/0411099). Its prior is the task's posterior given the labels of the
  training (a data-dependent prior, as Ambroladze et al., NeurIPS 2006), its posterior has seen the
  labels of the certificate too.

With a few hundred labels the first is the tighter one, as Foong et al. (NeurIPS 2021) found in
general. Draws without replacement from a finite collection, or by class in proportion, are covered
too, for a predictor fixed before: the count of errors is then a sum of independent trials with
uneven chances, whose tails lie within the binomial's (Hoeffding, Annals of Mathematical Statistics
1956), and exp(n kl), being convex, has no larger mean (Hoeffding, JASA 1963, theorem 4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

DRAWS = 1000
"""Emissions drawn from the prior, among which the posterior shares its mass out."""
TEMPERATURES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0)
"""Weights of an error in the posterior; PAC-Bayes holds for all posteriors at once, so the choice
among these is free."""


def hold_out(errors: int, labels: int, delta: float) -> float:
    """Return the largest error rate under which so few errors have a chance of at least delta.

    Parameters
    ----------
    errors, labels : int
        Errors of a fixed predictor on that many labels that it has not seen.
    delta : float
        Chance that the bound does not hold.
    """
    from scipy.stats import binomtest  # here, since few runs are certified and it loads slowly

    test = binomtest(errors, labels, alternative="less")
    return float(test.proportion_ci(1.0 - delta, method="exact").high)


def pac_bayes(error: float, divergence: float, labels: int, delta: float) -> float:
    """Return the PAC-Bayes-kl bound on the risk of a randomised predictor.

    ``kl(error || risk) <= (KL(Q || P) + log(xi(n) / delta)) / n`` for all posteriors Q at once
    (Maurer, theorem 5), with ``xi(n) = E exp(n kl(k/n || p))``, k binomial, in place of its bound
    ``2 sqrt(n)``.

    Parameters
    ----------
    error : float
        Mean error of Q on the labels.
    divergence : float
        KL(Q || P) in nats, P chosen without these labels.
    labels : int
        n.
    delta : float
        Chance that the bound does not hold.
    """
    return kl_inverse(error, (divergence + log_moment(labels) - math.log(delta)) / labels)


def kl_inverse(error: float, budget: float) -> float:
    """Return the largest p with ``kl(error || p) <= budget``, both Bernoulli, in nats."""

    def excess(p: float) -> float:
        found = -budget
        if error > 0:
            found += error * math.log(error / p)
        if error < 1:
            found += (1 - error) * math.log((1 - error) / (1 - p))
        return found

    from scipy.optimize import brentq

    high = 1.0 - 1e-12
    if budget <= 0 or error >= high or excess(high) <= 0:
        return 1.0 if budget > 0 or error >= high else error
    return float(brentq(excess, max(error, 1e-12), high, xtol=1e-10))


@cache
def log_moment(labels: int) -> float:
    """Return ``log xi(n)``, ``xi(n) = sum_k C(n, k) (k/n)^k (1 - k/n)^(n-k)`` (Maurer, eq. 4)."""
    from scipy.stats import binom

    k = np.arange(labels + 1)
    return math.log(binom.pmf(k, labels, k / labels).sum())


@dataclass(frozen=True)
class Randomised:
    """A randomised student's certificate.

    Parameters
    ----------
    error : float
        Its mean error on the labels of the certificate.
    divergence : float
        KL of its posterior from its prior, in nats.
    bound : float
        On its error rate.
    posterior : Tensor
        ``(K,)``, with what chance each of the K students answers.
    """

    error: float
    divergence: float
    bound: float
    posterior: Tensor


def randomised(wrong: Tensor, delta: float) -> Randomised:
    """Certify the predictor that draws one of K students for every answer.

    The prior is even over the K; the posterior has weights ``exp(-t k_i)`` with ``k_i`` the errors
    of student i, ``t`` the one among ``TEMPERATURES`` with the best bound.

    Parameters
    ----------
    wrong : Tensor
        ``(K, n)`` bool, which student errs on which label; the K were drawn without the labels.
    delta : float
        Chance that the bound does not hold.
    """
    labels, errors = wrong.shape[1], wrong.double().sum(dim=1)
    found = []
    for weight in TEMPERATURES:
        log_q = (-weight * errors).log_softmax(dim=0)
        q = log_q.exp()
        error = float((q * errors).sum()) / labels
        divergence = max(0.0, float((q * log_q).sum()) + math.log(len(errors)))
        bound = pac_bayes(error, divergence, labels, delta)
        found.append(Randomised(error, divergence, bound, q))
    return min(found, key=lambda one: one.bound)


def draw_errors(
    responsibilities: Tensor,
    remainder: Tensor,
    alpha: Tensor,
    labels: Tensor,
    seed: int,
    draws: int = DRAWS,
) -> Tensor:
    """Return where students err whose emissions are drawn from the task's Dirichlet posterior.

    A drawn student answers ``argmax_y log sum_m a_m(x) E[m, y] + (W phi(x) + b)_y`` with
    ``E[m, .]`` drawn from ``Dirichlet(alpha[m, .])``.

    Parameters
    ----------
    responsibilities : Tensor
        ``(n, M)`` of the items of the certificate.
    remainder : Tensor
        ``(n, C)``, the linear part of the student's logits.
    alpha : Tensor
        ``(M, C)``, chosen without the labels of the certificate.
    labels : Tensor
        ``(n,)``.
    seed : int
        Of the draws.
    draws : int
        K.

    Returns
    -------
    Tensor
        ``(K, n)`` bool.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        dirichlet = torch.distributions.Dirichlet(alpha)
        wrong = [
            ((responsibilities @ dirichlet.sample()).clamp_min(1e-8).log() + remainder).argmax(1)
            != labels
            for _ in range(draws)
        ]
    return torch.stack(wrong)
