"""One class of several."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from fedsa.task.base import Head


@dataclass(frozen=True)
class Classification:
    """One of ``classes``; answers are distributions over them, the metric is accuracy.

    Parameters
    ----------
    classes : tuple[str, ...]
        Their names.
    also : tuple[tuple[str, ...], ...]
        What else teachers may call each of them; without, nothing.
    """

    classes: tuple[str, ...]
    also: tuple[tuple[str, ...], ...] = ()
    kind: str = "classification"
    invariant: bool = True
    distributions: bool = True
    width: int = 1

    @property
    def outputs(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs: the classes."""
        return self.classes

    @property
    def heads(self) -> tuple[Head, ...]:
        """Itself."""
        return (Head("", self),)

    def answer(self, raw: Tensor) -> Tensor:
        """Softmax of the logits, ``(n, classes)``, rows on the simplex."""
        return raw.softmax(dim=1)

    def raw(self, answers: Tensor, floor: float = 1e-8) -> Tensor:
        """Logarithms of probabilities, ``(n, classes)``."""
        return answers.clamp_min(floor).log()

    def truth(self, labels: Tensor) -> Tensor:
        """Class indices as one-hot rows."""
        return F.one_hot(labels, self.outputs).float()

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy in nats; ``target`` is class indices or rows on the simplex."""
        return F.cross_entropy(raw, target)

    def metric(self, raw: Tensor, target: Tensor) -> float:
        """Accuracy, a fraction in [0, 1]."""
        return float((raw.argmax(dim=1) == target).double().mean())


def plain(name: str) -> str:
    """Return a name's letters, marks and digits, whatever their case; nothing without a letter.

    So names that are spelt alike are found alike, and numbers, which classes are called by that
    have no names, are none.
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    kept = "".join(sign for sign in folded if unicodedata.category(sign)[0] in "LMN")
    return kept if any(sign.isalpha() for sign in kept) else ""
