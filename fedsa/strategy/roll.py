"""Who is here: cards read, teachers recognised, the transfer set brought to those who lack it."""

from __future__ import annotations

from collections.abc import Callable

from flwr.serverapp import Grid

from fedsa.data.transfer import TransferSet
from fedsa.errors import AllTeachersGone, ResumeError
from fedsa.runs.memory import Account, Memory
from fedsa.strategy import post, questions
from fedsa.strategy.allowance import PASSING
from fedsa.strategy.exchange import Exchange

NODES_WAIT = 60.0
"""Seconds within which the first node must appear, and the first teacher be ready."""
_AGAIN = 2.0


class Roll:
    """Calls the roll of the teachers, each round anew.

    Parameters
    ----------
    exchange : Exchange
        Knows who sits where.
    transfer : TransferSet
        What a teacher must hold to be present.
    observe : Callable[..., None]
        Told of phases and cards.
    """

    def __init__(
        self, exchange: Exchange, transfer: TransferSet, observe: Callable[..., None]
    ) -> None:
        self.exchange, self.transfer, self.observe = exchange, transfer, observe
        self.present: list[str] = []
        self._holds: dict[str, int] = {}
        self._declined: dict[str, int] = {}
        self._shown: dict[str, str] = {}

    def call(self, grid: Grid, memory: Memory) -> None:
        """Find out who is here and bring the transfer set to those who lack it.

        Raises
        ------
        AllTeachersGone
            If nobody is here.
        ResumeError
            If a teacher is another than the run began with.
        """
        exchange = self.exchange
        wait = 0.0 if exchange.cards else NODES_WAIT
        end = post.now() + wait
        while True:
            here = exchange.enrol(grid, wait)
            self._recognise(here, memory)
            lacking = [name for name in here if not self._is_settled(name)]
            if lacking:
                self._offer(grid, memory, here, lacking)
            nodes = exchange.nodes
            self.present = [name for name in here if self._holds.get(name) == nodes[name]]
            # Who is only starting gets some time, as long as nobody else is there.
            if self.present or not exchange.passing or post.now() + _AGAIN >= end:
                break
            post.sleep(_AGAIN)
        if not self.present:
            raise AllTeachersGone(
                "No teacher can be reached: the run stops with its last checkpoint; check that "
                "the clients are up and resume it."
            )

    def _is_settled(self, name: str) -> bool:
        """Whether the teacher, at the node where it is now, holds the set or will not take it."""
        return self.exchange.nodes[name] in (self._holds.get(name), self._declined.get(name))

    def _recognise(self, here: list[str], memory: Memory) -> None:
        for name in here:
            card = self.exchange.cards[name]
            if memory.fingerprints.setdefault(name, card.fingerprint) != card.fingerprint:
                raise ResumeError(
                    f"The teacher '{name}' is not the one that this run began with (its "
                    "fingerprint changed): start a new run, or bring the old teacher back."
                )

    def _offer(self, grid: Grid, memory: Memory, here: list[str], lacking: list[str]) -> None:
        exchange = self.exchange
        self.observe("phase", phase="offer", round=memory.round + 1)
        with memory.timed("query"):
            held, refused = questions.offer(exchange, grid, self.transfer, lacking)
        self._holds |= {name: exchange.nodes[name] for name in held}
        self._declined |= {
            name: exchange.nodes[name] for name, code in refused.items() if code not in PASSING
        }
        for name in held:
            if name not in memory.accounts:
                cost = questions.offer_cost(name, self.transfer)
                memory.accounts[name] = Account(to_teacher=cost)
        cards = {name: exchange.cards[name].architecture for name in here}
        if cards != self._shown:
            self._shown = cards
            self.observe("cards", teachers=cards)
