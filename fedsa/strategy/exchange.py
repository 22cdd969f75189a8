"""Questions to teachers and what came back, over Flower's grid."""

from __future__ import annotations

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
from fedsa.strategy import post
from fedsa.strategy.allowance import PASSING, Allowance
from fedsa.strategy.post import Post, Sent

__all__ = ["LATE", "Exchange", "Sent"]

_POLL = 0.2
FRESH = 300.0
"""Seconds for which the card of a teacher with terms is believed while nothing speaks against it:
reading it is a message to the institution, and each takes a deployed node some seconds."""
LATE = "late"
_SILENT = "No reply came in time."
_LOST = "The node could not be reached, or its app failed."
_INVALID_FAB = 7
_BUNDLE = "Its institution has not approved this app bundle: send it the bundle and its hash."
_NODE = "node-"


@dataclass
class Exchange:
    """Keeps who sits at which node, asks, and turns whatever comes back into typed replies.

    A reply that is missing, malformed or not finite is a :class:`Failure` of that teacher; none
    of them ends the run. Replies are handed on in sorted order of the teachers' ids, whatever
    order they came in, so that every reduction over them adds up alike.

    Parameters
    ----------
    post : Post
        Carries the messages.
    on_failure : Callable[[str, Failure], None]
        Told of every failure, with the teacher's id (or ``node-<id>`` for a silent node).
    """

    post: Post
    on_failure: Callable[[str, Failure], None]
    cards: dict[str, Card] = field(default_factory=dict)
    nodes: dict[str, int] = field(default_factory=dict)
    allowance: Allowance = field(default_factory=Allowance)
    asked: int = 0
    answered: int = 0
    """Questions of this round, and those that got more than a failure."""
    late: set[str] = field(default_factory=set)
    """Teachers whose node owes a reply, of this round or one that may still come: not asked again,
    since a node answers one question after the other."""
    passing: bool = False
    """Whether a question failed, since the last enrolment began, for a reason that may pass."""
    _described: dict[int, float] = field(default_factory=dict)
    """When the cards of a node were read."""
    _doubted: set[int] = field(default_factory=set)

    def begin(self) -> None:
        """Count anew what is asked and what is answered."""
        self.asked = self.answered = 0

    @property
    def in_vain(self) -> bool:
        """Whether there were questions in this round, and every one of them got a failure."""
        return self.asked > 0 and self.answered == 0

    def doubt(self, teacher: str) -> None:
        """Note that a teacher's card may no longer hold, so that the next enrolment asks anew."""
        self._doubted.add(self.nodes[teacher])

    def enrol(self, grid: Grid, wait: float = 0.0) -> list[str]:
        """Ask every node that is new for its teachers' cards; return the teachers here now.

        Nodes whose teachers have terms are asked anew when a question failed there or asked for
        less than was wanted, and after :data:`FRESH` seconds: budgets are renewed, and others
        spend of them. Those who were late get another chance, unless their reply may still come.

        Parameters
        ----------
        grid : Grid
            Flower's grid.
        wait : float
            Seconds to wait for the first node, and at least for the replies: those who are asked
            for the first time may still be starting.
        """
        self.passing = False
        present = _nodes(grid, wait)
        # A node that went and came back may have other teachers; one that restarted has a new
        # id for the old ones.
        self._described = {node: at for node, at in self._described.items() if node in present}
        metered = {self.nodes[name] for name, card in self.cards.items() if card.terms is not None}
        old = {node for node, at in self._described.items() if post.now() - at > FRESH}
        busy = {one.node for one in self._owed()}
        self.late = self._at(busy)
        anew = metered & present & (old | self._doubted)
        asked = sorted(((present - self._described.keys()) | anew) - busy)
        describe = Describe()
        sent = [Sent(f"{_NODE}{node}", describe, self._message(describe, node)) for node in asked]
        for name, reply in self.collect(sent, self.post.send(grid, sent, wait)).items():
            if isinstance(reply, Described):
                self._admit(int(name.removeprefix(_NODE)), reply.cards, present)
        return sorted(name for name, node in self.nodes.items() if node in present)

    def ask(self, grid: Grid, requests: Mapping[str, Request]) -> dict[str, Reply]:
        """Ask one question each of several teachers at once; return replies in order of ids."""
        sent = self.compose(requests)
        return self.collect(sent, self.post.send(grid, sent))

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
            reply = self._told(question, by_question.get(question.id))
            self.asked += 1
            if not isinstance(reply, Failure):
                self.answered += 1
            elif reply.code == LATE:
                self.late |= {question.teacher} | self._at({question.node})
            found[question.teacher] = reply
        return found

    def overdue(self, grid: Grid) -> list[tuple[Sent, Reply]]:
        """Return what came after its deadline since this was asked last, failures among it."""
        come = [(one, self._told(one, message)) for one, message in self.post.late(grid)]
        for question, reply in come:
            self.late -= {question.teacher} | self._at({question.node})
            self.answered += not isinstance(reply, Failure)
            if isinstance(reply, Described):  # next time its teachers are enrolled
                self._admit(question.node, reply.cards, set(grid.get_node_ids()))
        return come

    def _message(self, request: Request, node: int) -> Message:
        content, kind = to_record(request), message_type(request)
        return Message(content, node, kind, ttl=self.post.lifetime)

    def _at(self, nodes: set[int]) -> set[str]:
        """Return the teachers at some nodes."""
        return {name for name, node in self.nodes.items() if node in nodes}

    def _owed(self) -> list[Sent]:
        """Return the questions under way to where their teachers are now."""
        return [
            one for one in self.post.owed() if self.nodes.get(one.teacher, one.node) == one.node
        ]

    def _told(self, question: Sent, message: Message | None) -> Reply:
        reply = self._read(question, message)
        if isinstance(reply, Failure):
            self._doubted.add(question.node)
            self.passing = self.passing or reply.code in PASSING
            self.on_failure(question.teacher, reply)
        return reply

    def _read(self, question: Sent, reply: Message | None) -> Reply:
        if reply is None:
            return Failure(LATE, _SILENT)
        if reply.has_error():
            # Flower's error text may hold what the client's exception said: never repeat it.
            if reply.error.code == _INVALID_FAB:
                return Failure("bundle", _BUNDLE)
            return Failure("lost", _LOST)
        card = self.cards.get(question.teacher)
        try:
            promised = (card.outputs, card.answers) if card else (None, None)
            read = reply_from(reply.content, question.request, *promised)
        except MessageError as error:
            return Failure("malformed", str(error))
        # A teacher's own words are not repeated: only the code is believed.
        return Failure(read.code, sentence_of(read.code)) if isinstance(read, Failure) else read

    def _admit(self, node: int, cards: Iterable[Card], present: set[int]) -> None:
        self._described[node] = post.now()
        self._doubted.discard(node)
        for card in cards:
            elsewhere = self.nodes.get(card.id)
            if elsewhere in present and elsewhere != node:
                raise RunError(
                    f"Two nodes offer a teacher called '{card.id}': ids must be unique in a "
                    "federation; ask one institution to rename its teacher."
                )
            self.nodes[card.id], self.cards[card.id] = node, card
            self.allowance.read(card.id)


def _nodes(grid: Grid, wait: float) -> set[int]:
    """Return the nodes here now, having given those that are still starting time to come."""
    deadline = post.now() + wait
    present = set(grid.get_node_ids())
    while post.now() < deadline:
        post.sleep(_POLL)
        now = set(grid.get_node_ids())
        if now and now == present:
            break
        present = now
    return present
