"""From scores to weights: how many teachers take part, and how much each counts."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from fedsa.options import SelectionOptions
from fedsa.seeding import torch_generator

FLOOR, FULL = 0.3, 0.7
"""Shares of the standard up to which a teacher counts nothing, and from which it counts in full."""


def adaptive(scores: Mapping[str, float]) -> dict[str, float]:
    """Return weights that are sparse by themselves: the evidence decides how many take part.

    A teacher's score is measured against the *standard*, the mean score of the better half of
    those above zero. From ``FULL`` of the standard on it counts in full, since differences among
    useful teachers are mostly noise and an even mixture errs least; below, its weight falls
    linearly and reaches zero at ``FLOOR``. If nobody scores above zero, all count alike.

    Parameters
    ----------
    scores : Mapping[str, float]
        Higher is better; zero or less for a teacher that is of no use.
    """
    good = sorted((score for score in scores.values() if score > 0), reverse=True)
    if not good:
        return dict.fromkeys(scores, 1.0 / max(1, len(scores)))
    better = good[: math.ceil(len(good) / 2)]
    standard = math.fsum(better) / len(better)
    shares = {name: (score / standard - FLOOR) / (FULL - FLOOR) for name, score in scores.items()}
    return _normalised({name: min(1.0, max(0.0, share)) for name, share in shares.items()})


def top_k(scores: Mapping[str, float], k: int) -> dict[str, float]:
    """Return even weights on the ``k`` highest scores (ties: by name)."""
    chosen = sorted(scores, key=lambda name: (-scores[name], name))[:k]
    return _normalised(dict.fromkeys(chosen, 1.0))


def softmax(
    scores: Mapping[str, float], k: int, temperature: float, generator: torch.Generator
) -> dict[str, float]:
    """Draw ``k`` teachers without replacement, the next with probability softmax(score / T).

    Gumbel top-k (Kool et al., ICML 2019): the ``k`` largest of score / T + Gumbel noise are
    exactly such a draw. Scores are standardised first, so that a temperature means the same
    for every estimator. Those drawn count alike, as their odds have had their effect.
    """
    names = sorted(scores)
    values = torch.tensor([scores[name] for name in names], dtype=torch.float64)
    spread = values.std(correction=0)
    values = (values - values.mean()) / spread if float(spread) > 1e-12 else values * 0.0
    uniform = torch.rand(len(names), generator=generator, dtype=torch.float64)
    noise = -torch.log(-torch.log(uniform.clamp(1e-12, 1 - 1e-12)))
    noisy = (values / temperature + noise).tolist()
    return top_k(dict(zip(names, noisy, strict=True)), k)


def weights(
    scores: Mapping[str, float], options: SelectionOptions, seed: int, round: int
) -> dict[str, float]:
    """Apply the policy that ``options`` names.

    Returns
    -------
    dict[str, float]
        Not negative, summing to one over the teachers that take part; others are missing or 0.
    """
    if not scores:
        return {}
    if options.policy == "adaptive":
        return adaptive(scores)
    k = size(options, len(scores))
    if options.policy == "top-k":
        return top_k(scores, k)
    generator = torch_generator(seed, "selection", round)
    return softmax(scores, k, options.temperature, generator)


def size(options: SelectionOptions, teachers: int) -> int:
    """Return k, at most the number of teachers in reach; an option of 0 means half of them."""
    return min(teachers, options.k or math.ceil(teachers / 2))


def _normalised(parts: Mapping[str, float]) -> dict[str, float]:
    total = math.fsum(parts.values())
    return {name: part / total for name, part in parts.items()} if total > 0 else dict(parts)
