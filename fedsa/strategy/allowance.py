"""What each teacher may still be asked, by its card and by what it was asked since."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from fedsa.messages import Card

FACTS = frozenset({"budget", "refused", "not-approved", "coordinator", "closed"})
"""Codes that tell of an institution's terms: asking again in the same round is of no use."""

PASSING = frozenset(
    {"starting", "busy", "unreachable", "storage", "cancelled", "late", "lost"}
    | {"not-approved", "closed", "room"}
)
"""Codes of failures that may be over by the next round, when the question is put again."""


class Allowance:
    """Keeps the account between two readings of a card.

    An institution's own ledger has the last word; this one only keeps a coordinator from asking
    what is bound to be refused, and from spending on one thing what it needs for another.
    """

    def __init__(self) -> None:
        self._charged: Counter[tuple[str, str]] = Counter()
        self._shut: set[tuple[str, str]] = set()
        self.paid: set[tuple[str, str, str]] = set()
        """Teacher, call and method of maps that were made: the same ones are charged one item
        each from then on."""

    def read(self, teacher: str) -> None:
        """Note that a card was read: it tells what is left after all that was asked before."""
        for key in [key for key in self._charged if key[0] == teacher]:
            del self._charged[key]
        self._shut = {key for key in self._shut if key[0] != teacher}

    def left(self, card: Card, call: str, method: str = "") -> int | None:
        """Return how many items may still be asked about; None where nothing is metered.

        Parameters
        ----------
        card : Card
            The teacher's, as last read.
        call, method : str
            ``predict``, ``saliency`` or ``score``; the latter two with the method of the maps.
        """
        if card.terms is None:
            return None
        if (card.id, call) in self._shut:
            return 0
        left = card.terms.left(call) - self._charged[card.id, call]
        return max(0, left) // self._cost(card, call, method)

    def ask(self, card: Card, call: str, items: int, method: str = "") -> None:
        """Note that a question goes out."""
        self._charged[card.id, call] += items * self._cost(card, call, method)

    def refused(self, teacher: str, call: str, code: str) -> None:
        """Note a failure; one that tells of the terms shuts the call until the card is read."""
        if code in FACTS:
            self._shut.add((teacher, call))

    def _cost(self, card: Card, call: str, method: str) -> int:
        paid = (card.id, call, method) in self.paid
        return 1 if card.terms is None or paid else card.terms.cost(method)


def within(
    now: NDArray[np.int32],
    whole: NDArray[np.int32],
    left: int | None,
    rounds: int,
    ahead: bool,
) -> NDArray[np.int32]:
    """Return the items to ask a selected teacher about in this round.

    Where the allowance suffices for the run, that is what the round plans, or all that the run
    will want if later items are asked ahead. Else an even part of what is left for each round to
    come, the most useful items first.

    Parameters
    ----------
    now, whole : NDArray[np.int32]
        Items not answered yet that this round, and the whole run, wants, in the order of use.
    left : int | None
        What may be asked; None for any number.
    rounds : int
        Rounds to come, this one among them.
    ahead : bool
        Whether to ask for later rounds too.
    """
    if left is None or left >= len(whole):
        return whole if ahead else now
    return now[: math.ceil(left / rounds)]
