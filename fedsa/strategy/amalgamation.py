"""The round of federated selective knowledge amalgamation, as a Flower strategy.

One round: compare looks (saliency), select teachers, ask the selected for answers, fuse the
answers into the student. FedSA (Xie et al., arXiv 2207.13309) with the student trained at the
server from answers alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result, Strategy
from numpy.typing import NDArray
from torch import Tensor, nn

from fedsa.errors import ResumeError, RunError
from fedsa.fusion.base import Fusion, Stage
from fedsa.fusion.scratch import Scratch
from fedsa.fusion.training import outputs
from fedsa.messages import Predict, Predicted, Salient, Scored
from fedsa.problem import Answers, Problem
from fedsa.runs.answers import AnswerStore
from fedsa.runs.checkpoint import Checkpoints
from fedsa.runs.memory import Account, Memory
from fedsa.saliency import maps
from fedsa.saliency.closeness import closeness
from fedsa.saliency.compact import CompactMaps, compact
from fedsa.scenario import Scenario
from fedsa.selection.base import Evidence, Selection, Selector
from fedsa.strategy import questions
from fedsa.strategy.exchange import Exchange, Sent
from fedsa.strategy.wiring import Wiring

NODES_WAIT = 60.0
"""Seconds within which the first node must appear."""


class AllTeachersGone(RunError):
    """No teacher can be reached any more; the last checkpoint stands."""


class Amalgamation(Strategy):
    """Selects teachers and trains a student from their answers; usable from any ServerApp.

    Parameters
    ----------
    problem : Problem
        The new task, its few labels, the transfer set.
    selector : Selector
        From evidence to this round's teachers and weights.
    fusion : Fusion
        From answers to a trained student.
    options : Scenario | None
        Its ``saliency``, ``selection`` and ``federation`` sections are used.
    wiring : Wiring | None
        Where answers and checkpoints are kept, and who is told.
    """

    def __init__(
        self,
        problem: Problem,
        selector: Selector,
        fusion: Fusion,
        *,
        options: Scenario | None = None,
        wiring: Wiring | None = None,
    ) -> None:
        self.problem, self.selector, self.fusion = problem, selector, fusion
        options = options or Scenario(name="unnamed")
        self.saliency, self.selection = options.saliency, options.selection
        self.federation = options.federation
        wiring = wiring or Wiring()
        self.store = AnswerStore(wiring.folder / "answers", len(problem.transfer))
        self.checkpoints = Checkpoints(wiring.folder / "checkpoints")
        self.observe, self.evaluate = wiring.observe, wiring.evaluate
        self.exchange = Exchange(self.federation.timeout, self._failed)
        self.student: nn.Module | None = None
        self.memory = Memory()
        self.rounds = 1
        self._under_way: list[Sent] = []
        self._present: list[str] = []
        self._response = questions.response_items(problem, self.selection.response_items)

    # ---- the loop ---------------------------------------------------------------------------

    def start(
        self,
        grid: Grid,
        initial_arrays: ArrayRecord | None = None,
        num_rounds: int = 3,
        timeout: float | None = None,
        train_config: ConfigRecord | None = None,
        evaluate_config: ConfigRecord | None = None,
        evaluate_fn: Callable[[int, ArrayRecord], MetricRecord | None] | None = None,
    ) -> Result:
        """Run the rounds that are not done yet, a checkpoint after each.

        Same arguments as Flower's, all but ``grid`` optional: the student is built from the
        problem, and a folder that holds checkpoints is gone on with.

        Raises
        ------
        AllTeachersGone
            If no teacher can be reached; the last checkpoint and :attr:`student` stand.
        ResumeError
            If the folder's checkpoint was made with other teachers.
        """
        self.rounds = num_rounds
        self.exchange.timeout = self.federation.timeout if timeout is None else timeout
        self.resume()
        result, config = Result(), train_config or ConfigRecord()
        arrays = initial_arrays or ArrayRecord()
        for current in range(self.memory.round + 1, num_rounds + 1):
            messages = self.configure_train(current, arrays, config, grid)
            with self._timed("query"):
                replies = list(grid.send_and_receive(messages, timeout=self.exchange.timeout))
            trained, metrics = self.aggregate_train(current, replies)
            if trained is not None:
                result.arrays = arrays = trained
            if metrics is not None:
                result.train_metrics_clientapp[current] = metrics
            if evaluate_fn and (measured := evaluate_fn(current, arrays)) is not None:
                result.evaluate_metrics_serverapp[current] = measured
        return result

    def resume(self) -> None:
        """Take up the newest checkpoint of the folder, if there is one."""
        if self.memory.round == 0 and (latest := self.checkpoints.latest()) is not None:
            self.memory = Memory.load(latest)
            self.observe("resumed", round=self.memory.round)

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Enrol who is new, renew the selection when it is due, ask the selected."""
        self._enrol(grid)
        due = (server_round - 1) % self.selection.every == 0
        if due or self.memory.selection is None:
            self._select(server_round, grid)
        selection = self.memory.selection
        assert selection is not None
        upto = questions.items_upto(self.problem, server_round, self.rounds)
        self.observe("phase", phase="query", round=server_round)
        asked = [name for name in selection.selected if name in self._present]
        self._under_way = self._predicts(asked, upto)
        return [one.message for one in self._under_way]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Keep the answers, train the student on them, measure, write the checkpoint."""
        selection = self.memory.selection
        assert selection is not None
        upto = questions.items_upto(self.problem, server_round, self.rounds)
        self._keep(self._under_way, replies)
        self._settle(selection.selected, upto)
        answers = self.store.dense().among(self.memory.marks)
        weights = {n: w for n, w in selection.weights.items() if w > 0 and n in answers}
        if not weights:
            raise AllTeachersGone(
                f"None of the teachers selected in round {server_round} has answered: the run "
                "stops with its last checkpoint; check the teachers and resume it."
            )
        self.observe("phase", phase="fusion", round=server_round)
        stage = Stage(server_round, self.rounds)
        with self._timed("fusion"):
            fused = self.fusion.fit(self.problem, answers, weights, stage, self.memory.state)
        self.student = fused.student.eval()
        memory = self.memory
        memory.round, memory.state, memory.views = server_round, dict(fused.state), dict(fused.views)
        self._look()
        measured = self.evaluate(self.student) if self.evaluate else None
        facts = dict(fused.facts)
        memory.history.append(
            {
                "round": server_round,
                "selected": sorted(weights),
                "weights": {name: round(weight, 6) for name, weight in sorted(weights.items())},
                "student": measured,
                "facts": facts,
            }
        )
        self.checkpoints.save(memory, self.student, self.problem.inputs[:2])
        self.observe("round", round=server_round, student=measured, facts=facts,
                     seconds=memory.seconds)
        metrics = facts if measured is None else {**facts, "student": measured}
        return ArrayRecord(self.student.state_dict()), MetricRecord(metrics)

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Ask nobody: teachers never see the student, it is evaluated at the server."""
        return []

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        """Return nothing, since nobody was asked."""
        return None

    def summary(self) -> None:
        """Tell the observer what this strategy is made of."""
        self.observe(
            "strategy",
            selector=type(self.selector).__name__,
            fusion=type(self.fusion).__name__,
            items=len(self.problem.transfer),
            labels=len(self.problem.labels),
        )

    # ---- for baselines and reports, outside the run's account ------------------------------

    def survey(self, grid: Grid) -> Answers:
        """Return every reachable teacher's answers on the whole transfer set."""
        self._enrol(grid)
        items = questions.order(self.problem)
        self._ask_predict(grid, self._present, items)
        return self.store.dense()

    def evidence(self, grid: Grid) -> Evidence:
        """Return the evidence that a selection would be made on now, without looks."""
        self._enrol(grid)
        self._ask_predict(grid, self._present, self._response)
        answers = self._response_answers()
        student = self.memory.student_answers
        if student is None:  # before the first look nothing is known of the student
            classes = self.problem.task.outputs
            student = torch.full((len(self.problem.transfer), classes), 1.0 / classes)
        return Evidence(
            problem=self.problem,
            round=self.memory.round,
            rounds=self.rounds,
            teachers=tuple(name for name in self._present if name in answers),
            closeness={},
            answers=answers,
            student=student,
        )

    def looks(self, grid: Grid, items: Tensor) -> dict[str, CompactMaps]:
        """Return the compact maps that teachers let out for some items, for people to see."""
        if not self.exchange.cards:
            self._enrol(grid)
        options = self.saliency.model_copy(update={"mode": "maps"})
        indices = items.numpy().astype(np.int32)
        ask = questions.look_requests(
            self.exchange, self._present, self.problem.transfer.hash, indices, options, None
        )
        found = {}
        for name, reply in self.exchange.ask(grid, ask).items():
            if isinstance(reply, Salient):
                found[name] = reply.maps
                self._charge(name, len(indices), ask[name].payload_bytes, reply.payload_bytes)
        return found

    # ---- the steps --------------------------------------------------------------------------

    def _enrol(self, grid: Grid) -> None:
        first = not self.exchange.cards
        before = set(self.exchange.cards)
        self._present = self.exchange.enrol(grid, NODES_WAIT if first else 0.0)
        new = [name for name in self._present if name not in before]
        for name in new:
            card, known = self.exchange.cards[name], self.memory.fingerprints
            if known.setdefault(name, card.fingerprint) != card.fingerprint:
                raise ResumeError(
                    f"The teacher '{name}' is not the one that this run began with (its "
                    "fingerprint changed): start a new run, or bring the old teacher back."
                )
        if new:
            self.observe("phase", phase="offer", round=self.memory.round + 1)
            with self._timed("query"):
                held = questions.offer(self.exchange, grid, self.problem.transfer, new)
            for name in held:
                if name not in self.memory.accounts:
                    cost = questions.offer_cost(name, self.problem.transfer)
                    self.memory.accounts[name] = Account(to_teacher=cost)
            cards = {name: self.exchange.cards[name].architecture for name in self._present}
            self.observe("cards", teachers=cards)
            for name in set(new) - set(held):
                self.exchange.nodes.pop(name)
            self._present = [name for name in self._present if name in self.exchange.nodes]
        if not self._present:
            raise AllTeachersGone(
                "No teacher can be reached: the run stops with its last checkpoint; check that "
                "the clients are up and resume it."
            )

    def _select(self, server_round: int, grid: Grid) -> None:
        if self.memory.student_answers is None:
            self.observe("phase", phase="first look", round=server_round)
            with self._timed("fusion"):
                self.student = Scratch().fit(
                    self.problem, self.store.dense(), {}, Stage(), {}
                ).student
            self._look()
            if self.evaluate:
                self.observe("baseline", name="scratch", metric=self.evaluate(self.student))
        assert self.memory.student_answers is not None
        self.observe("phase", phase="saliency", round=server_round)
        with self._timed("saliency"):
            close = self._closeness(grid)
        self.observe("phase", phase="evidence", round=server_round)
        with self._timed("query"):
            self._ask_predict(grid, self._present, self._response)
        self._settle(self._present, self._response)
        answers = self._response_answers().among(self.memory.marks)
        reachable = tuple(name for name in self._present if name in answers)
        if not reachable:
            raise AllTeachersGone(
                "No teacher answered: the run stops with its last checkpoint; look at the "
                "failures in events.jsonl, mend them and resume it."
            )
        with self._timed("saliency"):
            chosen = self.selector.select(
                Evidence(
                    problem=self.problem,
                    round=server_round,
                    rounds=self.rounds,
                    teachers=reachable,
                    closeness=close,
                    answers=answers,
                    student=self.memory.student_answers,
                )
            )
        self.memory.selection = _checked(chosen)
        self.observe(
            "selection",
            round=server_round,
            weights=dict(chosen.weights),
            scores=dict(chosen.scores),
            evidence={name: dict(layers) for name, layers in chosen.evidence.items()},
            reasons=dict(chosen.reasons),
        )

    def _closeness(self, grid: Grid) -> dict[str, float]:
        mine = self.memory.student_maps
        assert mine is not None
        probe = self.problem.probe.numpy().astype(np.int32)
        ask = questions.look_requests(
            self.exchange, self._present, self.problem.transfer.hash, probe, self.saliency, mine
        )
        found: dict[str, float] = {}
        for name, reply in self.exchange.ask(grid, ask).items():
            if isinstance(reply, Scored):
                found[name] = reply.closeness
            elif isinstance(reply, Salient):
                found[name] = closeness(reply.maps, mine)
            else:
                continue
            self._charge(name, len(probe), ask[name].payload_bytes, reply.payload_bytes)
        return found

    def _look(self) -> None:
        """Note the student's answers and looks, by which teachers are judged next round."""
        assert self.student is not None
        inputs, memory = self.problem.inputs, self.memory
        memory.student_answers = self.problem.task.answer(outputs(self.student, inputs))
        found = maps(self.saliency.method, self.student, inputs[self.problem.probe])
        memory.student_maps = compact(found, self.saliency.grid, self.saliency.bits)

    def _response_answers(self) -> Answers:
        """Return the answers on the response items, the same ones in every round."""
        shown = np.zeros(len(self.problem.transfer), dtype=np.bool_)
        shown[self._response] = True
        return self.store.dense(shown)

    def _ask_predict(self, grid: Grid, teachers: Iterable[str], items: NDArray[np.int32]) -> None:
        sent = self._predicts(teachers, items)
        if sent:
            messages = [one.message for one in sent]
            self._keep(sent, grid.send_and_receive(messages, timeout=self.exchange.timeout))

    def _predicts(self, teachers: Iterable[str], items: NDArray[np.int32]) -> list[Sent]:
        ask = {}
        for name in teachers:
            missing = self.store.missing(name, items)
            if len(missing):
                ask[name] = Predict(
                    name, self.problem.transfer.hash, missing, self.federation.answer_form
                )
        return self.exchange.compose(ask)

    def _keep(self, sent: list[Sent], replies: Iterable[Message]) -> None:
        for name, reply in self.exchange.collect(sent, replies).items():
            if isinstance(reply, Predicted):
                request = next(one.request for one in sent if one.teacher == name)
                assert isinstance(request, Predict)
                self.store.add(name, request.indices, reply.answers)

    def _settle(self, teachers: Iterable[str], items: NDArray[np.int32]) -> None:
        """Mark the answers that this round uses, and charge for those that are new to the run.

        The charge follows from what was planned and answered, not from how it arrived: a run
        that was killed and resumed finds some answers in its store and pays for them here.
        """
        for name in teachers:
            marks = self.memory.marks.setdefault(
                name, torch.zeros(len(self.problem.transfer), dtype=torch.uint8)
            )
            answered = items[self.store.asked(name)[items]]
            new = answered[marks.numpy()[answered] == 0]
            if len(new):
                width = self.exchange.cards[name].outputs
                sent, received = questions.predict_cost(
                    name, self.problem.transfer.hash, new, self.federation.answer_form, width
                )
                self._charge(name, len(new), sent, received)
                marks[torch.from_numpy(new.astype(np.int64))] = 1

    def _charge(self, teacher: str, queries: int, sent: int, received: int) -> None:
        account = self.memory.accounts.setdefault(teacher, Account())
        account.queries += queries
        account.to_teacher += sent
        account.from_teacher += received

    def _failed(self, teacher: str, failure: Any) -> None:
        self.observe("failure", teacher=teacher, code=failure.code, sentence=failure.sentence)

    @contextmanager
    def _timed(self, kind: str) -> Iterator[None]:
        begin = time.monotonic()
        try:
            yield
        finally:
            seconds = self.memory.seconds
            seconds[kind] = round(seconds.get(kind, 0.0) + time.monotonic() - begin, 3)


def _checked(selection: Selection) -> Selection:
    """Refuse weights that no fusion can use; a user's own selector may return anything."""
    weights: Mapping[str, float] = selection.weights
    good = all(np.isfinite(w) and w >= 0 for w in weights.values())
    if not good or not selection.selected or abs(sum(weights.values()) - 1.0) > 1e-6:
        raise RunError(
            "The selector's weights are not finite, non-negative numbers that sum to one: "
            f"it returned {dict(weights)}."
        )
    return selection
