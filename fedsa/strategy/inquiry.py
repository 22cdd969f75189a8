"""Who is here and what each teacher answered: asked within its terms, kept and charged for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from flwr.app import Message
from flwr.serverapp import Grid
from numpy.typing import NDArray

from fedsa.errors import AllTeachersGone
from fedsa.messages import (
    Failure,
    Predict,
    Predicted,
    Reply,
    Request,
    Saliency,
    Salient,
    Score,
    Scored,
)
from fedsa.messages.answers import most_items
from fedsa.messages.checks import MAX_ASKED_BYTES
from fedsa.problem import Answers, Problem
from fedsa.runs.answers import AnswerStore
from fedsa.runs.memory import Memory
from fedsa.scenario import Scenario
from fedsa.strategy import questions
from fedsa.strategy.allowance import within
from fedsa.strategy.exchange import Exchange, Sent
from fedsa.strategy.plan import Plan
from fedsa.strategy.post import Post
from fedsa.strategy.roll import Roll


class Inquiry:
    """Asks the teachers; what it cost is written into the run's :class:`Memory`.

    Parameters
    ----------
    problem : Problem
        The new task, its few labels, the transfer set.
    options : Scenario
        Its ``selection`` and ``federation`` sections are used.
    folder : Path
        Where answers are kept.
    observe : Callable[..., None]
        Told of phases, cards, failures, and of what the terms do not allow.
    """

    def __init__(
        self, problem: Problem, options: Scenario, folder: Path, observe: Callable[..., None]
    ) -> None:
        self.problem, self.observe = problem, observe
        self.form, self.ahead = options.federation.answer_form, options.federation.ahead
        self.store = AnswerStore(folder, len(problem.transfer))
        self.exchange = Exchange(
            Post(options.federation.timeout, options.federation.round_deadline), self.failed
        )
        self.plan = Plan(folder / "plan")
        self.exchange.allowance.paid = self.plan.paid
        self.roll = Roll(self.exchange, problem.transfer, observe)
        self.response = questions.response_items(problem, options.selection.response_items)
        self.order = questions.order(problem)
        self._aside: set[str] = set()
        self._limits: dict[tuple[str, str], int] = {}

    # ---- who is here ------------------------------------------------------------------------

    @property
    def present(self) -> list[str]:
        """Ids of the teachers that hold the transfer set and can be reached now, sorted."""
        return self.roll.present

    def enrol(self, grid: Grid, memory: Memory) -> None:
        """Find out who is here; see :meth:`fedsa.strategy.roll.Roll.call`."""
        self.roll.call(grid, memory)

    def begin(self, server_round: int) -> None:
        """Begin a round: count anew what is asked and what is answered."""
        self.exchange.begin()
        self.plan.begin(server_round)

    @property
    def metered(self) -> bool:
        """Whether an institution here has terms."""
        return any(card.terms is not None for card in self.exchange.cards.values())

    def await_somebody(self, grid: Grid, memory: Memory, upto: NDArray[np.int32]) -> None:
        """Wait for who is late, if all that was asked since the round began was in vain."""
        if self.exchange.in_vain:
            self.exchange.post.linger(grid)
            self.catch_up(grid, memory, upto)

    def expect_answers(self, server_round: int) -> None:
        """Stop the run if all that was asked since the round began was in vain.

        Raises
        ------
        AllTeachersGone
            If there were questions, every one of them got a failure, and nobody owes a reply.
        """
        if self.exchange.in_vain and not self.exchange.post.owed():
            raise AllTeachersGone(
                f"No teacher has answered any question of round {server_round}: the run stops "
                "with its last checkpoint; check the teachers and resume it."
            )

    # ---- asking about answers ---------------------------------------------------------------

    def ask(
        self, grid: Grid, teachers: Iterable[str], items: NDArray[np.int32], aside: bool = False
    ) -> None:
        """Ask for the answers that are not kept yet, as many as the terms allow; keep them.

        Parameters
        ----------
        grid : Grid
            Flower's grid.
        teachers, items
            Whom, and about what; the most useful items first.
        aside : bool
            Whether this is outside the run's account.
        """

        def fitting(name: str, left: int | None) -> NDArray[np.int32]:
            missing = self.store.missing(name, items)
            if left is not None and left < len(missing):
                self.limited(name, "predict", len(missing), left)
                missing = missing[:left]
            return missing

        asked = list(teachers)
        again = any(self.plan.items("evidence", name) is not None for name in asked)
        sent = self._compose(self._planned("" if aside else "evidence", asked, fitting))
        replies = self.exchange.post.send(grid, sent)
        if aside:
            self._aside |= {one.id for one in sent}
        self.keep(sent, replies)
        if again:  # some of it may have been charged before: only cards tell what is left now
            self.exchange.enrol(grid)

    def compose(
        self, teachers: Iterable[str], upto: NDArray[np.int32], rounds: int = 1
    ) -> list[Sent]:
        """Return a round's questions to the selected, for what is not kept yet.

        Parameters
        ----------
        teachers : Iterable[str]
            The selected that are in reach.
        upto : NDArray[np.int32]
            The items that they shall have answered by the end of the round.
        rounds : int
            Rounds to come, this one among them.
        """

        def part(name: str, left: int | None) -> NDArray[np.int32]:
            whole = self.store.missing(name, self.order)
            if left is not None and left < len(whole):
                self.limited(name, "predict", len(whole), left)
            ahead = left is not None if self.ahead is None else self.ahead
            return within(self.store.missing(name, upto), whole, left, rounds, ahead)

        return self._compose(self._planned("round", teachers, part))

    def keep(self, sent: list[Sent], replies: Iterable[Message]) -> None:
        """Put the answers among ``replies`` into the store."""
        come = list(replies)
        turns: dict[str, int] = {}  # a question about very many items goes out in parts
        parts: list[list[Sent]] = []
        for one in sent:
            turn = turns[one.teacher] = turns.get(one.teacher, -1) + 1
            if turn == len(parts):
                parts.append([])
            parts[turn].append(one)
        for part in parts:
            requests = {one.teacher: one.request for one in part}
            for name, reply in self.exchange.collect(part, come).items():
                self._keep(name, requests[name], reply)

    def catch_up(self, grid: Grid, memory: Memory, upto: NDArray[np.int32]) -> None:
        """Keep the answers that came late; those which the run had asked for count from now on.

        Parameters
        ----------
        grid : Grid
            Flower's grid.
        memory : Memory
            Whose marks and accounts are brought up to date.
        upto : NDArray[np.int32]
            The items that had been planned when the question was put.
        """
        for question, reply in self.exchange.overdue(grid):
            self._keep(question.teacher, question.request, reply)
            if isinstance(reply, Predicted) and question.id not in self._aside:
                self.observe("late-answers", teacher=question.teacher, items=len(reply.answers))
                self.settle(memory, [question.teacher], upto)
            elif isinstance(question.request, Score | Saliency):
                self.looked(memory, question.teacher, question.request, reply)

    def looked(self, memory: Memory, teacher: str, request: Score | Saliency, reply: Reply) -> None:
        """Charge for a look that a teacher let out, in time or late; heed a refusal.

        One that comes late is paid for like any other, but compared with nothing: by then the
        student looks elsewhere.
        """
        allowance, call = self.exchange.allowance, call_of(request)
        if isinstance(reply, Scored | Salient):
            sent, received = request.payload_bytes, reply.payload_bytes
            memory.charge(teacher, len(request.indices), sent, received)
            self.plan.pay(teacher, call, request.method)
        elif isinstance(reply, Failure):
            allowance.refused(teacher, call, reply.code)

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

    # ---- telling ----------------------------------------------------------------------------

    def failed(self, teacher: str, failure: Failure) -> None:
        """Tell of a failure."""
        self.observe("failure", teacher=teacher, code=failure.code, sentence=failure.sentence)

    def limited(self, teacher: str, call: str, wanted: int, left: int) -> None:
        """Tell that a teacher is asked less than wanted, when what is left has changed."""
        self.exchange.doubt(teacher)
        if self._limits.get((teacher, call)) != left:
            self._limits[teacher, call] = left
            self.observe("limit", teacher=teacher, call=call, wanted=wanted, left=left)

    # ---- the parts --------------------------------------------------------------------------

    def _planned(
        self,
        step: str,
        teachers: Iterable[str],
        choose: Callable[[str, int | None], NDArray[np.int32]],
    ) -> dict[str, NDArray[np.int32]]:
        """Return what to ask in a step: as planned before the run was killed, else as chosen now.

        Without a step nothing is planned, nor for a teacher without terms: what it may be asked
        does not change by asking.
        """
        wanted, planned = {}, {}
        for name in teachers:
            left = self._left(name)
            before = self.plan.items(step, name)
            if before is None:
                wanted[name] = choose(name, left)
                if step and left is not None:
                    planned[name] = wanted[name]
            else:
                wanted[name] = self.store.missing(name, before)
                self.exchange.doubt(name)  # its card is read anew before what is left matters
        self.plan.put(step, planned)
        return wanted

    def _left(self, name: str) -> int | None:
        return self.exchange.allowance.left(self.exchange.cards[name], "predict")

    def _compose(self, wanted: dict[str, NDArray[np.int32]]) -> list[Sent]:
        transfer, parts = self.problem.transfer, {}
        for name, every in wanted.items():
            most = most_items(self.exchange.cards[name].outputs, self.form)
            most = min(most, max(1, MAX_ASKED_BYTES // transfer.array[:1].nbytes))
            parts[name] = [every[start : start + most] for start in range(0, len(every), most)]
        sent: list[Sent] = []
        for turn in range(max(map(len, parts.values()), default=0)):
            # Sorted, as the order of use would tell which of them are labelled.
            asked: dict[str, Request] = {
                name: Predict(name, transfer.hash, np.sort(of[turn]), self.form)
                for name, of in parts.items()
                if turn < len(of)
            }
            sent += self.exchange.compose(asked)
        for one in sent:
            assert isinstance(one.request, Predict)
            card = self.exchange.cards[one.teacher]
            self.exchange.allowance.ask(card, "predict", len(one.request.indices))
        return sent

    def _keep(self, name: str, request: Request, reply: Reply) -> None:
        if not isinstance(request, Predict):
            return
        if isinstance(reply, Predicted):
            names = self.exchange.cards[name].classes
            self.store.add(name, request.indices, reply.answers, names)
        elif isinstance(reply, Failure):
            self.exchange.allowance.refused(name, "predict", reply.code)


def call_of(request: Request) -> str:
    """Return the call that a question about looks is charged to."""
    return "score" if isinstance(request, Score) else "saliency"
