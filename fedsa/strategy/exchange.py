"""Questions to teachers and what came back, over Flower's grid."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from flwr.app import Message
from flwr.serverapp import Grid

from fedsa.errors import RunError
from fedsa.messages import (
    Card,
    Describe,
    Described,
    Failure,
    MessageError,
    Reply,
    Request,
    message_type,
    reply_from,
    to_record,
)
from fedsa.messages.failures import sentence_of

_POLL = 0.2
LATE = "late"
_SILENT = "No reply came in time."
_LOST = "The node could not be reached, or its app failed."


@dataclass(frozen=True)
class Sent:
    """A question under way."""

    teacher: str
    request: Request
    message: Message


@dataclass
class Exchange:
    """Keeps who sits at which node, asks, and turns whatever comes back into typed replies.

    A reply that is missing, malformed or not finite is a :class:`Failure` of that teacher; none
    of them ends the run. Replies are handed on in sorted order of the teachers' ids, whatever
    order they came in, so that every reduction over them adds up alike.

    Parameters
    ----------
    timeout : float
        Seconds to wait for the replies of one batch of questions.
    on_failure : Callable[[str, Failure], None]
        Told of every failure, with the teacher's id (or ``node-<id>`` for a silent node).
    """

    timeout: float
    on_failure: Callable[[str, Failure], None]
    cards: dict[str, Card] = field(default_factory=dict)
    nodes: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    answered: int = 0
    """Questions of this round, and those that got more than a failure."""
    late: set[str] = field(default_factory=set)
    """Teachers that owe a reply of this round: not asked again in it, since one that hangs would
    cost the timeout each time and, in a simulation, one more process."""
    _described: set[int] = field(default_factory=set)

    def begin(self) -> None:
        """Begin a round: count anew, and give those who were late another chance."""
        self.asked = self.answered = 0
        self.late.clear()

    def enrol(self, grid: Grid, wait: float = 0.0) -> list[str]:
        """Ask every node that is new for its teachers' cards; return the teachers here now.

        Parameters
        ----------
        grid : Grid
            Flower's grid.
        wait : float
            Seconds to wait for the first node, and at least for the replies: those who are asked
            for the first time may still be starting.
        """
        present = _nodes(grid, wait)
        # A node that went and came back may have other teachers; one that restarted has a new
        # id for the old ones.
        self._described &= present
        new = sorted(present - self._described)
        sent = [Sent(f"node-{node}", Describe(), self._message(Describe(), node)) for node in new]
        for name, reply in self.collect(sent, self._send(grid, sent, wait)).items():
            if isinstance(reply, Described):
                node = int(name.removeprefix("node-"))
                self._described.add(node)
                self._admit(node, reply.cards, present)
        return sorted(name for name, node in self.nodes.items() if node in present)

    def ask(self, grid: Grid, requests: Mapping[str, Request]) -> dict[str, Reply]:
        """Ask one question each of several teachers at once; return replies in order of ids."""
        sent = self.compose(requests)
        return self.collect(sent, self._send(grid, sent))

    def compose(self, requests: Mapping[str, Request]) -> list[Sent]:
        """Turn questions into messages, in sorted order of the teachers' ids; none to the late."""
        return [
            Sent(name, requests[name], self._message(requests[name], self.nodes[name]))
            for name in sorted(requests)
            if name not in self.late
        ]

    def collect(self, sent: Iterable[Sent], replies: Iterable[Message]) -> dict[str, Reply]:
        """Match replies to questions; what is missing or does not fit becomes a failure."""
        by_question = {reply.metadata.reply_to_message_id: reply for reply in replies}
        found: dict[str, Reply] = {}
        for question in sorted(sent, key=lambda one: one.teacher):
            reply = self._read(question, by_question.get(question.message.metadata.message_id))
            self.asked += 1
            if isinstance(reply, Failure):
                if reply.code == LATE:
                    self.late.add(question.teacher)
                self.on_failure(question.teacher, reply)
            else:
                self.answered += 1
            found[question.teacher] = reply
        return found

    def _read(self, question: Sent, reply: Message | None) -> Reply:
        if reply is None:
            return Failure(LATE, _SILENT)
        if reply.has_error():
            # Flower's error text may hold what the client's exception said: never repeat it.
            return Failure("lost", _LOST)
        card = self.cards.get(question.teacher)
        try:
            read = reply_from(reply.content, question.request, card.outputs if card else None)
        except MessageError as error:
            return Failure("malformed", str(error))
        # A teacher's own words are not repeated: only the code is believed.
        return Failure(read.code, sentence_of(read.code)) if isinstance(read, Failure) else read

    def _admit(self, node: int, cards: Iterable[Card], present: set[int]) -> None:
        for card in cards:
            elsewhere = self.nodes.get(card.id)
            if elsewhere in present and elsewhere != node:
                raise RunError(
                    f"Two nodes offer a teacher called '{card.id}': ids must be unique in a "
                    "federation; ask one institution to rename its teacher."
                )
            self.nodes[card.id], self.cards[card.id] = node, card

    def _message(self, request: Request, node: int) -> Message:
        return Message(
            content=to_record(request), message_type=message_type(request), dst_node_id=node
        )

    def _send(self, grid: Grid, sent: list[Sent], least: float = 0.0) -> list[Message]:
        if not sent:
            return []
        messages = [one.message for one in sent]
        return list(grid.send_and_receive(messages, timeout=max(self.timeout, least)))


def _nodes(grid: Grid, wait: float) -> set[int]:
    """Return the nodes here now, having given those that are still starting time to come."""
    deadline = time.monotonic() + wait
    present = set(grid.get_node_ids())
    while time.monotonic() < deadline:
        time.sleep(_POLL)
        now = set(grid.get_node_ids())
        if now and now == present:
            break
        present = now
    return present
