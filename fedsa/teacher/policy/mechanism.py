"""From a model's raw outputs to what leaves: temperature, noise, top-k and rounding, in that order.

Everything after the noise only works on what is noised, so it takes nothing away from the noise's
guarantee. Rounding also hides the last digits of floating-point noise, which would tell more of
the sum than its mathematics says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fedsa.policy import PolicySection
from fedsa.saliency.compact import CompactMaps, quantised

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Form:
    """Everything in a policy that shapes an answer.

    Parameters
    ----------
    temperature : float
        Divides the logits before the softmax.
    top_k : int
        Classes that are told apart; 0 for all.
    bits : int
        Bits of a probability on the square-root scale.
    sigma : float
        Standard deviation of the noise.
    """

    temperature: float = 1.0
    top_k: int = 0
    bits: int = 8
    sigma: float = 0.0

    @classmethod
    def of(cls, policy: PolicySection) -> Form:
        """Return the form that a policy asks for."""
        answers = policy.answers
        return cls(answers.temperature, answers.top_k, answers.bits, policy.noise.sigma)

    def document(self) -> dict[str, float]:
        """Return it as plain data, for records and fingerprints."""
        return {
            "temperature": self.temperature,
            "top-k": self.top_k,
            "bits": self.bits,
            "sigma": self.sigma,
        }


def distributions(logits: np.ndarray, form: Form, normals: Floats | None = None) -> np.ndarray:
    """Return what leaves for raw outputs: uint8 ``(n, C)``, as ``CompactAnswers`` travels.

    Parameters
    ----------
    logits : np.ndarray
        ``(n, C)``, finite.
    form : Form
        What to make of them.
    normals : np.ndarray | None
        ``(n, C)`` standard normal numbers; needed where ``form.sigma`` is above zero.
    """
    rows = softmax(logits, form.temperature)
    if form.sigma > 0.0:
        assert normals is not None
        rows = simplex(rows + form.sigma * normals)
    return rounded(top(rows, form.top_k), form.bits)


def values_of(logits: np.ndarray, form: Form) -> np.ndarray:
    """Return what leaves where answers are values from 0 to 1: uint8 ``(n, C)``.

    The temperature divides the log-odds, square roots are rounded to ``2**bits`` levels. Noise and
    top-k are of distributions; the teacher's file is refused if it asks for them here.
    """
    assert form.sigma == 0.0 and form.top_k == 0, "refused with the teacher's file"
    scaled = np.asarray(logits, dtype=np.float64) / form.temperature
    roots = np.sqrt(0.5 * (1.0 + np.tanh(0.5 * scaled)))  # of the sigmoid, without overflow
    levels = (1 << form.bits) - 1
    found: np.ndarray = np.rint(255.0 * np.rint(roots * levels) / levels).astype(np.uint8)
    return found


def noised_maps(pooled: Tensor, bits: int, sigma: float, normals: Floats | None) -> CompactMaps:
    """Return pooled maps ``(n, cells)`` with noise, quantised.

    A map is brought to a sum of one first, so its Euclidean length is at most one, as that of a
    distribution. What falls below zero becomes zero.
    """
    if sigma > 0.0:
        assert normals is not None
        total = pooled.sum(dim=1, keepdim=True).clamp_min(1e-300)
        pooled = (pooled / total + sigma * torch.from_numpy(normals)).clamp_min(0.0)
    return quantised(pooled, bits)


def softmax(logits: np.ndarray, temperature: float) -> Floats:
    """Return rows on the simplex, in float64."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    rows: Floats = scaled / scaled.sum(axis=1, keepdims=True)
    return rows


def simplex(rows: Floats) -> Floats:
    """Return the nearest point of the simplex to each row (Duchi et al., ICML 2008)."""
    falling = -np.sort(-rows, axis=1)
    excess = np.cumsum(falling, axis=1) - 1.0
    place = np.arange(1, rows.shape[1] + 1)
    last = (falling * place > excess).sum(axis=1) - 1
    threshold = np.take_along_axis(excess, last[:, None], axis=1) / (last[:, None] + 1)
    nearest: Floats = np.maximum(rows - threshold, 0.0)
    return nearest


def top(rows: Floats, k: int) -> Floats:
    """Keep each row's ``k`` largest entries and share the rest evenly over the other classes."""
    n, classes = rows.shape
    if k == 0 or k >= classes:
        return rows
    told = np.zeros((n, classes), dtype=bool)
    order = np.argsort(-rows, axis=1, kind="stable")  # of equals the first: asking again is no help
    np.put_along_axis(told, order[:, :k], True, axis=1)
    rest = np.where(told, 0.0, rows).sum(axis=1, keepdims=True) / (classes - k)
    return np.where(told, rows, rest)


def rounded(rows: Floats, bits: int) -> np.ndarray:
    """Round square roots to ``2**bits`` levels below the row's largest; uint8 ``(n, C)``.

    Eight bits are the wire's own: ``round(255 sqrt(p))``. With fewer, the largest entry has the
    top level, and the levels are scaled to a distribution again.
    """
    roots = np.sqrt(np.clip(rows, 0.0, 1.0))
    if bits < 8:
        levels = np.rint(roots / roots.max(axis=1, keepdims=True) * ((1 << bits) - 1))
        roots = levels / np.linalg.norm(levels, axis=1, keepdims=True)
    return np.rint(255.0 * roots).astype(np.uint8)
