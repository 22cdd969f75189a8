"""Where teachers look: how close it is to where the student looks, and what people are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from flwr.serverapp import Grid
from numpy.typing import NDArray

from fedsa.messages import Failure, Reply, Saliency, Salient, Score, Scored
from fedsa.options import SaliencyOptions
from fedsa.runs.memory import Memory
from fedsa.saliency.closeness import closeness
from fedsa.saliency.compact import CompactMaps
from fedsa.strategy.inquiry import Inquiry, call_of

_OTHER_MAPS = "The reply's maps have other cells than the student's."


class Looking:
    """Asks about looks, of the teachers whose terms allow it.

    Parameters
    ----------
    inquiry : Inquiry
        Knows who is here.
    options : SaliencyOptions
        Method, form and mode.
    """

    def __init__(self, inquiry: Inquiry, options: SaliencyOptions) -> None:
        self.inquiry, self.options = inquiry, options

    def closeness(self, grid: Grid, memory: Memory) -> dict[str, float]:
        """Return how close each teacher's looks are to the student's, by the mode in force."""
        mine = memory.student_maps
        assert mine is not None
        probe = self.inquiry.problem.probe.numpy().astype(np.int32)
        found: dict[str, float] = {}
        for name, reply in self._ask(grid, memory, probe, self.options, mine).items():
            if isinstance(reply, Scored):
                found[name] = reply.closeness
            elif isinstance(reply, Salient) and reply.maps.values.shape == mine.values.shape:
                found[name] = closeness(reply.maps, mine)
            elif isinstance(reply, Salient):
                self.inquiry.failed(name, Failure("malformed", _OTHER_MAPS))
        return found

    def maps(self, grid: Grid, memory: Memory, items: NDArray[np.int32]) -> dict[str, CompactMaps]:
        """Return the compact maps that teachers let out for some items."""
        options = self.options.model_copy(update={"mode": "maps"})
        replies = self._ask(grid, memory, items, options, None)
        return {name: reply.maps for name, reply in replies.items() if isinstance(reply, Salient)}

    def _ask(
        self,
        grid: Grid,
        memory: Memory,
        items: NDArray[np.int32],
        options: SaliencyOptions,
        maps: CompactMaps | None,
    ) -> dict[str, Reply]:
        exchange = self.inquiry.exchange
        asked = self._requests(self.inquiry.present, items, options, maps)
        for name, request in asked.items():
            card = exchange.cards[name]
            exchange.allowance.ask(card, call_of(request), len(items), options.method)
        replies = exchange.ask(grid, asked)
        for name, reply in replies.items():
            self.inquiry.looked(memory, name, asked[name], reply)
        return replies

    def _requests(
        self,
        teachers: Iterable[str],
        items: NDArray[np.int32],
        options: SaliencyOptions,
        maps: CompactMaps | None,
    ) -> Mapping[str, Score | Saliency]:
        """Return one question for each teacher that can answer it, and may.

        In ``score`` mode the student's maps go to the teacher and one number comes back; in
        ``maps`` mode the teacher's compact maps come here. The looks of all teachers are compared
        on the same items, so there are no questions about some of them.
        """
        exchange, set_hash = self.inquiry.exchange, self.inquiry.problem.transfer.hash
        asked: dict[str, Score | Saliency] = {}
        for name in teachers:
            card = exchange.cards[name]
            if options.grid > card.grid or options.bits > card.bits:
                continue  # finer than its institution lets out
            request: Score | Saliency
            if options.mode == "score" and maps is not None:
                request = Score(name, set_hash, items, options.method, maps)
            else:
                request = Saliency(
                    name, set_hash, items, options.method, options.grid, options.bits
                )
            left = exchange.allowance.left(card, call_of(request), options.method)
            if left is not None and left < len(items):
                self.inquiry.limited(name, call_of(request), len(items), left)
                continue
            asked[name] = request
        return asked
