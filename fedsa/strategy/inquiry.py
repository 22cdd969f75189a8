"""Who is here, what each teacher answered and where it looks: asked, kept and charged for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from flwr.app import Message
from flwr.serverapp import Grid
from numpy.typing import NDArray

from fedsa.errors import AllTeachersGone, ResumeError
from fedsa.messages import Failure, Predict, Predicted, Reply, Request, Salient, Scored
from fedsa.options import SaliencyOptions
from fedsa.problem import Answers, Problem
from fedsa.runs.answers import AnswerStore
from fedsa.runs.memory import Account, Memory
from fedsa.saliency.closeness import closeness
from fedsa.saliency.compact import CompactMaps
from fedsa.scenario import Scenario
from fedsa.strategy import questions
from fedsa.strategy.exchange import Exchange, Sent

NODES_WAIT = 60.0
"""Seconds within which the first node must appear."""

_OTHER_MAPS = "The reply's maps have other cells than the student's."


class Inquiry:
    """Asks the teachers; what it cost is written into the run's :class:`Memory`.

    Parameters
    ----------
    problem : Problem
        The new task, its few labels, the transfer set.
    options : Scenario
        Its ``saliency``, ``selection`` and ``federation`` sections are used.
    folder : Path
        Where answers are kept.
    observe : Callable[..., None]
        Told of phases, cards and failures.
    """

    def __init__(
        self, problem: Problem, options: Scenario, folder: Path, observe: Callable[..., None]
    ) -> None:
        self.problem, self.observe = problem, observe
        self.saliency, self.form = options.saliency, options.federation.answer_form
        self.store = AnswerStore(folder, len(problem.transfer))
        self.exchange = Exchange(options.federation.timeout, self._failed)
        self.present: list[str] = []
        self.response = questions.response_items(problem, options.selection.response_items)

    def enrol(self, grid: Grid, memory: Memory) -> None:
        """Find out who is here and bring the transfer set to those who are new.

        Raises
        ------
        AllTeachersGone
            If nobody is here.
        ResumeError
            If a teacher is another than the run began with.
        """
        exchange = self.exchange
        first, before = not exchange.cards, dict(exchange.nodes)
        self.present = exchange.enrol(grid, NODES_WAIT if first else 0.0)
        for name in self.present:
            card = exchange.cards[name]
            if memory.fingerprints.setdefault(name, card.fingerprint) != card.fingerprint:
                raise ResumeError(
                    f"The teacher '{name}' is not the one that this run began with (its "
                    "fingerprint changed): start a new run, or bring the old teacher back."
                )
        new = [name for name in self.present if exchange.nodes[name] != before.get(name)]
        if new:
            self._offer(grid, memory, new)
        if not self.present:
            raise AllTeachersGone(
                "No teacher can be reached: the run stops with its last checkpoint; check that "
                "the clients are up and resume it."
            )

    def begin(self) -> None:
        """Begin a round: count anew what is asked and what is answered."""
        self.exchange.begin()

    def expect_answers(self, server_round: int) -> None:
        """Stop the run if all that was asked since the round began was in vain.

        Raises
        ------
        AllTeachersGone
            If there were questions, and every one of them got a failure.
        """
        if self.exchange.asked and not self.exchange.answered:
            raise AllTeachersGone(
                f"No teacher has answered any question of round {server_round}: the run stops "
                "with its last checkpoint; check the teachers and resume it."
            )

    def ask(self, grid: Grid, teachers: Iterable[str], items: NDArray[np.int32]) -> None:
        """Ask for the answers that are not kept yet, and keep them."""
        sent = self.compose(teachers, items)
        if sent:
            messages = [one.message for one in sent]
            self.keep(sent, grid.send_and_receive(messages, timeout=self.exchange.timeout))

    def compose(self, teachers: Iterable[str], items: NDArray[np.int32]) -> list[Sent]:
        """Return the questions for the answers that are not kept yet."""
        asked: dict[str, Request] = {}
        for name in teachers:
            missing = self.store.missing(name, items)
            if len(missing):
                asked[name] = Predict(name, self.problem.transfer.hash, missing, self.form)
        return self.exchange.compose(asked)

    def keep(self, sent: list[Sent], replies: Iterable[Message]) -> None:
        """Put the answers among ``replies`` into the store."""
        requests = {one.teacher: one.request for one in sent}
        for name, reply in self.exchange.collect(sent, replies).items():
            request = requests[name]
            if isinstance(reply, Predicted) and isinstance(request, Predict):
                self.store.add(name, request.indices, reply.answers)

    def settle(self, memory: Memory, teachers: Iterable[str], items: NDArray[np.int32]) -> None:
        """Mark the answers that this round uses, and charge for those that are new to the run.

        The charge follows from what was planned and answered, not from how it arrived: a run
        that was killed and resumed finds some answers in its store and pays for them here.
        """
        for name in teachers:
            marks = memory.marks.setdefault(
                name, torch.zeros(len(self.problem.transfer), dtype=torch.uint8)
            )
            answered = items[self.store.asked(name)[items]]
            new = answered[marks.numpy()[answered] == 0]
            if len(new):
                sent, received = questions.predict_cost(
                    name, self.problem.transfer.hash, new, self.form, self.store.width(name)
                )
                memory.charge(name, len(new), sent, received)
                marks[torch.from_numpy(new.astype(np.int64))] = 1

    def response_answers(self) -> Answers:
        """Return the answers on the response items, the same ones in every round."""
        shown = np.zeros(len(self.problem.transfer), dtype=np.bool_)
        shown[self.response] = True
        return self.store.dense(shown)

    def closeness(self, grid: Grid, memory: Memory) -> dict[str, float]:
        """Return how close each teacher's looks are to the student's, by the mode in force."""
        mine = memory.student_maps
        assert mine is not None
        probe = self.problem.probe.numpy().astype(np.int32)
        found: dict[str, float] = {}
        for name, reply in self._looked(grid, memory, probe, self.saliency, mine).items():
            if isinstance(reply, Scored):
                found[name] = reply.closeness
            elif isinstance(reply, Salient) and reply.maps.values.shape == mine.values.shape:
                found[name] = closeness(reply.maps, mine)
            elif isinstance(reply, Salient):
                self._failed(name, Failure("malformed", _OTHER_MAPS))
        return found

    def looks(self, grid: Grid, memory: Memory, items: NDArray[np.int32]) -> dict[str, CompactMaps]:
        """Return the compact maps that teachers let out for some items."""
        options = self.saliency.model_copy(update={"mode": "maps"})
        replies = self._looked(grid, memory, items, options, None)
        return {name: reply.maps for name, reply in replies.items() if isinstance(reply, Salient)}

    def _looked(
        self,
        grid: Grid,
        memory: Memory,
        items: NDArray[np.int32],
        options: SaliencyOptions,
        maps: CompactMaps | None,
    ) -> dict[str, Reply]:
        ask = questions.look_requests(
            self.exchange, self.present, self.problem.transfer.hash, items, options, maps
        )
        replies = self.exchange.ask(grid, ask)
        for name, reply in replies.items():
            if isinstance(reply, Scored | Salient):
                memory.charge(name, len(items), ask[name].payload_bytes, reply.payload_bytes)
        return replies

    def _offer(self, grid: Grid, memory: Memory, new: list[str]) -> None:
        self.observe("phase", phase="offer", round=memory.round + 1)
        with memory.timed("query"):
            held = questions.offer(self.exchange, grid, self.problem.transfer, new)
        for name in held:
            if name not in memory.accounts:
                cost = questions.offer_cost(name, self.problem.transfer)
                memory.accounts[name] = Account(to_teacher=cost)
        cards = {name: self.exchange.cards[name].architecture for name in self.present}
        self.observe("cards", teachers=cards)
        for name in set(new) - set(held):
            self.exchange.nodes.pop(name)
        self.present = [name for name in self.present if name in self.exchange.nodes]

    def _failed(self, teacher: str, failure: Failure) -> None:
        self.observe("failure", teacher=teacher, code=failure.code, sentence=failure.sentence)
