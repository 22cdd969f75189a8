"""The round of federated selective knowledge amalgamation, as a Flower strategy.

One round: compare looks (saliency), select teachers, ask the selected for answers, fuse the
answers into the student. FedSA (Xie et al., arXiv 2207.13309) with the student trained at the
server from answers alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result, Strategy
from numpy.typing import NDArray
from torch import nn

from fedsa.errors import AllTeachersGone
from fedsa.fusion.base import Fusion, Stage
from fedsa.fusion.names import strangers
from fedsa.problem import Answers, Problem
from fedsa.runs.checkpoint import Checkpoints
from fedsa.runs.memory import Memory
from fedsa.scenario import Scenario
from fedsa.selection.base import Evidence, Selector
from fedsa.strategy import pupil, questions
from fedsa.strategy.choice import checked
from fedsa.strategy.inquiry import Inquiry
from fedsa.strategy.looking import Looking
from fedsa.strategy.post import Sent
from fedsa.strategy.wiring import Wiring
from fedsa.task import Classification

__all__ = ["AllTeachersGone", "Amalgamation"]

_STRANGE = (
    "No teacher calls a class by a name of the task's: if only the spelling differs, give theirs "
    "in task.also, and their answers will tell more."
)


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
        self.observe, self.evaluate = wiring.observe, wiring.evaluate
        self.checkpoints = Checkpoints(wiring.folder / "checkpoints")
        self.inquiry = Inquiry(problem, options, wiring.folder / "answers", wiring.observe)
        self.looking = Looking(self.inquiry, options.saliency)
        self.student: nn.Module | None = None
        self.memory = Memory()
        self.rounds = 1
        self._under_way: list[Sent] = []
        self._noted: set[str] = set()

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
        if num_rounds > 1 and getattr(self.fusion, "one_shot", False):
            self.observe("one-shot", rounds=1, planned=num_rounds)
            num_rounds = 1
        self.rounds = num_rounds
        if timeout is not None:
            self.inquiry.exchange.post.timeout = timeout
        self.resume()
        result, config = Result(), train_config or ConfigRecord()
        arrays = initial_arrays or ArrayRecord()
        for current in range(self.memory.round + 1, num_rounds + 1):
            self.configure_train(current, arrays, config, grid)
            with self.memory.timed("query"):
                replies = self.inquiry.exchange.post.send(grid, self._under_way)
            trained, metrics = self.aggregate_train(current, replies)
            if trained is not None:
                result.arrays = arrays = trained
            if metrics is not None:
                result.train_metrics_clientapp[current] = metrics
            if evaluate_fn and (measured := evaluate_fn(current, arrays)) is not None:
                result.evaluate_metrics_serverapp[current] = measured
        return result

    def resume(self) -> None:
        """Take up the newest checkpoint of the folder, if there is one.

        Raises
        ------
        ResumeError
            If what the folder holds is about other data.
        """
        self.inquiry.store.claim(self.problem.digest)
        if self.memory.round == 0 and (latest := self.checkpoints.latest()) is not None:
            self.memory = Memory.load(latest)
            self.student = torch.export.load(latest / "student.pt2").module()
            self.observe("resumed", round=self.memory.round)

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Enrol who is new, renew the selection when it is due, ask the selected."""
        self.inquiry.enrol(grid, self.memory)
        self.inquiry.catch_up(grid, self.memory, self._upto(server_round - 1))
        self.inquiry.begin(server_round)
        due = (server_round - 1) % self.selection.every == 0
        if due or self.memory.selection is None:
            self._select(server_round, grid)
        selection = self.memory.selection
        assert selection is not None
        self.inquiry.await_somebody(grid, self.memory, self._upto(server_round - 1))
        self.observe("phase", phase="query", round=server_round)
        asked = [name for name in selection.selected if name in self.inquiry.present]
        to_come = self.rounds - server_round + 1
        self._under_way = self.inquiry.compose(asked, self._upto(server_round), to_come)
        return [one.message for one in self._under_way]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Keep the answers, train the student on them, measure, write the checkpoint."""
        selection = self.memory.selection
        assert selection is not None
        upto = self._upto(server_round)
        self.inquiry.keep(self._under_way, replies)
        self.inquiry.expect_answers(server_round)
        self.inquiry.settle(self.memory, selection.selected, upto)
        answers = self.inquiry.store.dense().among(self.memory.marks)
        weights = {n: w for n, w in selection.weights.items() if w > 0 and n in answers}
        if not weights:
            raise AllTeachersGone(
                f"None of the teachers selected in round {server_round} has answered: the run "
                "stops with its last checkpoint; check the teachers and resume it."
            )
        self.observe("phase", phase="fusion", round=server_round)
        stage = Stage(server_round, self.rounds)
        with self.memory.timed("fusion"):
            fused = self.fusion.fit(self.problem, answers, weights, stage, self.memory.state)
        self.student = fused.student.eval()
        memory, facts = self.memory, dict(fused.facts)
        memory.round, memory.state = server_round, dict(fused.state)
        memory.views = dict(fused.views)
        pupil.note(self.problem, self.student, self.saliency, memory)
        for sentence in fused.notes:
            self._note(sentence)
        measured = self.evaluate(self.student) if self.evaluate else None
        memory.record(server_round, weights, measured, facts)
        self.checkpoints.save(memory, self.student, self.problem.inputs[:2])
        self.observe(
            "round", round=server_round, student=measured, facts=facts, seconds=memory.seconds
        )
        metrics = MetricRecord({**facts})
        if measured is not None:
            metrics["student"] = measured
        return ArrayRecord(self.student.state_dict()), metrics

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

    # ---- the steps --------------------------------------------------------------------------

    def _note(self, sentence: str) -> None:
        if sentence not in self._noted:
            self._noted.add(sentence)
            self.observe("note", sentence=sentence)

    def _upto(self, round_: int) -> NDArray[np.int32]:
        """Return the items that a selected teacher shall have answered by the end of a round."""
        if round_ < 1:
            return self.inquiry.response
        return questions.items_upto(self.problem, round_, self.rounds)

    def _select(self, server_round: int, grid: Grid) -> None:
        inquiry, memory = self.inquiry, self.memory
        if memory.student_answers is None:
            self.observe("phase", phase="first look", round=server_round)
            with memory.timed("fusion"):
                self.student = pupil.first(self.problem)
            pupil.note(self.problem, self.student, self.saliency, memory)
        self.observe("phase", phase="saliency", round=server_round)
        with memory.timed("saliency"):
            close = self.looking.closeness(grid, memory)
        self.observe("phase", phase="evidence", round=server_round)
        with memory.timed("query"):
            inquiry.ask(grid, inquiry.present, inquiry.response)
            inquiry.settle(memory, inquiry.present, inquiry.response)
            evidence = self._evidence(server_round, close)
            if not evidence.teachers:  # rather than give up, wait for who is late
                inquiry.exchange.post.linger(grid)
                inquiry.catch_up(grid, memory, inquiry.response)
                evidence = self._evidence(server_round, close)
        if not evidence.teachers:
            raise AllTeachersGone(
                "No teacher answered: the run stops with its last checkpoint; look at the "
                "failures in events.jsonl, mend them and resume it."
            )
        with memory.timed("saliency"):
            chosen = checked(self.selector.select(evidence), evidence.teachers)
        memory.selection = chosen
        if (
            server_round == 1
            and self.heeds_names
            and isinstance(self.problem.task, Classification)
            and strangers(self.problem, evidence.answers, chosen.weights)
        ):
            self._note(_STRANGE)
        self.observe(
            "selection",
            round=server_round,
            weights=dict(chosen.weights),
            scores=dict(chosen.scores),
            evidence={name: dict(layers) for name, layers in chosen.evidence.items()},
            reasons=dict(chosen.reasons),
        )

    @property
    def heeds_names(self) -> bool:
        """Whether what teachers call their classes counts: in selection as in the fusion."""
        return bool(getattr(self.fusion, "heeds_names", False))

    def response_answers(self) -> Answers:
        """Return what a selector is told of the answers that are kept: names only if they count."""
        answers = self.inquiry.response_answers()
        return answers if self.heeds_names else answers.nameless()

    def _evidence(self, round_: int, close: dict[str, float]) -> Evidence:
        """Put together what is known; who answered before counts, in reach now or not."""
        memory = self.memory
        assert memory.student_answers is not None
        answers = self.response_answers().among(memory.marks)
        return Evidence(
            problem=self.problem,
            round=round_,
            rounds=self.rounds,
            teachers=tuple(answers),
            closeness={name: value for name, value in close.items() if name in answers},
            answers=answers,
            student=memory.student_answers,
        )
