"""An institution's terms as its card shows them, so that a coordinator can plan within them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

_Count = Annotated[int, Field(ge=0, le=10**12)]


@dataclass(frozen=True)
class Limit:
    """What is left to one coordinator of one kind of question.

    Parameters
    ----------
    call : str
        ``predict``, ``saliency`` or ``score``.
    items : int
        Items that may be asked about in a window.
    left : int
        Of these, not spent yet.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    call: Literal["predict", "saliency", "score"]
    items: _Count
    left: _Count


@dataclass(frozen=True)
class Cost:
    """What one item is charged when its map is made by a method that is not charged as one item.

    Parameters
    ----------
    method : str
        A saliency method, as on the card.
    items : int
        Items that a map is charged as. A perturbation method is charged as the forward passes
        that it takes; a score over maps that the same coordinator has paid for is charged one
        item a map.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    method: Annotated[str, Field(min_length=1, max_length=128)]
    items: Annotated[int, Field(ge=1, le=10**6)]


@dataclass(frozen=True)
class Terms:
    """The policy in force, for the coordinator that asks.

    Parameters
    ----------
    limits : tuple[Limit, ...]
        One for each call that is open; a call that is not here is shut.
    window : str
        ``day``, ``week``, ``month`` or ``ever``.
    temperature, top_k, bits : float, int, int
        The form of the answers; ``top_k`` 0 tells all classes.
    sets : str
        Which transfer sets are answered about: ``any`` or ``approved``.
    sigma : float
        Standard deviation of the Gaussian noise on rows of length at most one; 0 for none.
    epsilon, delta : float
        What the noise guarantees for all that the limits allow in one window, by a
        (epsilon, delta) account whose unit is the whole teacher; ``epsilon`` 0 says that there
        is no noise and no such guarantee.
    costs : tuple[Cost, ...]
        Saliency methods that are charged more than one item a map.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    limits: Annotated[tuple[Limit, ...], Field(max_length=3)]
    window: Literal["day", "week", "month", "ever"] = "ever"
    temperature: Annotated[float, Field(ge=1.0, le=100.0)] = 1.0
    top_k: Annotated[int, Field(ge=0, le=65_536)] = 0
    bits: Annotated[int, Field(ge=1, le=8)] = 8
    sets: Literal["any", "approved"] = "approved"
    sigma: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.0
    epsilon: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.0
    delta: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    costs: Annotated[tuple[Cost, ...], Field(max_length=64)] = ()

    def left(self, call: str, method: str = "") -> int:
        """Return how many new items may still be asked about by one kind of question.

        For ``saliency`` and ``score`` name the method, since some are charged more than others.
        """
        left = sum(limit.left for limit in self.limits if limit.call == call)
        return left // self.cost(method)

    def cost(self, method: str) -> int:
        """Return what one new item is charged when its map is made by ``method``."""
        return next((cost.items for cost in self.costs if cost.method == method), 1)
