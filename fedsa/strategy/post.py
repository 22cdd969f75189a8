"""Letters under way: pushed to the nodes, pulled when answered, in time or past the deadline."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from flwr.app import Message
from flwr.serverapp import Grid

from fedsa.messages import Request
from fedsa.strategy.pulling import Pulling

FIRST_PAUSE, LAST_PAUSE = 0.05, 1.0
"""Seconds between two looks for replies: short at first, as in a simulation they come at once."""

CLOCKS = 300.0
"""Seconds by which the clocks of two machines may differ."""

now, sleep = time.monotonic, time.sleep


@dataclass(frozen=True)
class Sent:
    """A question under way; ``teacher`` is ``node-<id>`` where a whole node is asked."""

    teacher: str
    request: Request
    message: Message

    @property
    def id(self) -> str:
        """Flower's id of the message, which its reply names; empty before it was pushed."""
        return str(self.message.metadata.message_id)

    @property
    def node(self) -> int:
        """The node that was asked."""
        return int(self.message.metadata.dst_node_id)


class Post:
    """Sends questions and keeps those whose replies have not come.

    Flower's own ``send_and_receive`` forgets what is late; here the ids stay, and a reply is taken
    whenever it comes.

    Parameters
    ----------
    timeout : float
        Seconds after which a question may be put again, as its reply hardly comes any more.
    deadline : float | None
        Seconds to wait for the replies of one batch of questions. Without it replies are waited for
        as long as they come: until ``timeout`` seconds have passed without any.
    """

    def __init__(self, timeout: float, deadline: float | None = None) -> None:
        self.timeout, self.deadline = timeout, deadline
        self._under_way: dict[str, tuple[Sent, float]] = {}
        self._late: list[tuple[Sent, Message]] = []
        self._pulling = Pulling()

    @property
    def lifetime(self) -> float:
        """Seconds for which a message lives; who answers it gives up then, by its own clock."""
        return self.timeout + CLOCKS

    def send(self, grid: Grid, sent: Sequence[Sent], least: float = 0.0) -> list[Message]:
        """Push questions; return the replies that come before the deadline.

        Goes on at once when the last of them is there.

        Parameters
        ----------
        grid : Grid
            Flower's grid.
        sent : Sequence[Sent]
            The questions.
        least : float
            Seconds to wait in any case while a reply is missing.
        """
        if not sent:
            return []
        wait = self.timeout if self.deadline is None else min(self.deadline, self.timeout)
        ids = {id_ for id_ in grid.push_messages([one.message for one in sent]) if id_}
        begin = now()
        waiting = {one.id for one in sent if one.id in ids}
        self._under_way |= {one.id: (one, begin) for one in sent if one.id in waiting}
        further = wait if self.deadline is None else 0.0
        return self._await(grid, waiting, begin + max(wait, least), further)

    def late(self, grid: Grid) -> list[tuple[Sent, Message]]:
        """Return the replies that came after their deadline, each with its question, once."""
        self._pull(grid, ())
        come, self._late = self._late, []
        return sorted(come, key=lambda pair: (pair[0].teacher, pair[0].id))

    def linger(self, grid: Grid) -> None:
        """Wait until a late reply comes, or none can be hoped for any more."""
        pause = FIRST_PAUSE
        self._pull(grid, ())
        while not self._late and self.owed():
            sleep(pause)
            pause = min(2 * pause, LAST_PAUSE)
            self._pull(grid, ())

    def owed(self) -> list[Sent]:
        """Return the questions whose replies may still come."""
        limit = now() - self.timeout
        return [one for one, begin in self._under_way.values() if begin > limit]

    def _await(self, grid: Grid, waiting: set[str], end: float, further: float) -> list[Message]:
        """Wait until ``end``, and ``further`` seconds after each reply."""
        replies: list[Message] = []
        pause = FIRST_PAUSE
        while waiting:
            come = self._pull(grid, waiting)
            replies += come
            waiting -= {reply.metadata.reply_to_message_id for reply in come}
            # A simulation of hundreds of teachers takes its time, but nobody in it is lost.
            end = max(end, now() + further) if come else end
            left = end - now()
            if not waiting or left <= 0:
                break
            sleep(min(pause, left))
            pause = min(2 * pause, LAST_PAUSE)
        return replies

    def _pull(self, grid: Grid, waiting: Collection[str]) -> list[Message]:
        """Take what has come; return what is waited for and put the rest aside."""
        if not self._under_way:
            return []
        expected = []
        for reply in self._pulling.pull(grid, self._under_way):
            id_ = reply.metadata.reply_to_message_id
            if id_ not in self._under_way:
                continue
            question, _ = self._under_way.pop(id_)
            if id_ in waiting:
                expected.append(reply)
            else:
                self._late.append((question, reply))
        return expected
