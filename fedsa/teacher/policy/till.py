"""Where a question's items are paid for: what is known is free, the rest is debited first."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from fedsa.teacher.faults import Fault
from fedsa.teacher.policy.asked import BATCH, Asked
from fedsa.teacher.policy.cache import AnswerCache
from fedsa.teacher.policy.ledger import Purse
from fedsa.teacher.policy.office import Office
from fedsa.teacher.policy.windows import Window

Make = Callable[[np.ndarray, list[bytes]], list[bytes]]
"""From items and the names of their noise to final answers."""


class Till:
    """The account of one question.

    Parameters
    ----------
    office : Office
        Its ledger and its cache.
    limit, window : int, Window
        What the policy allows of such questions.
    cancelled : Callable[[], bool]
        Asked before each batch.
    record : dict[str, str]
        What the log says of each charge; ``caller``, ``teacher`` and ``call`` name the account.
    """

    def __init__(
        self,
        office: Office,
        limit: int,
        window: Window,
        cancelled: Callable[[], bool],
        record: dict[str, str],
    ) -> None:
        self.charged = 0
        self._office = office
        self._limit = limit
        self._window = window
        self.cancelled = cancelled
        self._record = record

    @property
    def cache(self) -> AnswerCache:
        """What was answered before."""
        return self._office.cache

    def key(self, name: bytes) -> bytes:
        """Return where the cache keeps what this caller has been told under a name.

        The caller is part of it: nobody gets for free what another has paid for, nor learns by a
        budget that was not touched what another has asked.
        """
        parts = (self._record["caller"], self._record["call"])
        return hashlib.sha256("\0".join(parts).encode() + b"\0" + name).digest()

    def values(
        self, asked: Asked, names: list[bytes], make: Make, price: int = 1, again: int = 0
    ) -> list[bytes]:
        """Return the final answer for each item, in the order asked.

        The whole question must fit into what is left, else nothing is spent; then each batch is
        debited before it is inferred. A crash in between may lose that batch's debit to the
        caller, never to the institution.

        Parameters
        ----------
        asked : Asked
            The items.
        names : list[bytes]
            For each, all that its answer depends on, hashed.
        make : Make
            Infers.
        price, again : int
            What an item costs that was not answered to this caller before, and one that was.

        Raises
        ------
        Fault
            ``budget``, ``cancelled``, ``storage``, or what ``make`` raises.
        """
        keys = [self.key(name) for name in names]
        places = {key: place for place, key in reversed(list(enumerate(keys)))}
        known = self._office.cache.find(list(places))
        missing = [place for key, place in sorted(places.items(), key=_place) if key not in known]
        due = again * len(known)
        rest = due + price * len(missing)
        record = self._record
        with self._office.ledger.purse(
            record["caller"], record["teacher"], record["call"]
        ) as purse:
            for start in range(0, max(1, len(missing)), BATCH):
                batch = missing[start : start + BATCH]
                if self.cancelled():
                    raise Fault("cancelled")
                due += price * len(batch)
                rest -= due
                self._pay(due, rest, purse)
                due = 0
                if batch:
                    made = make(asked.take(batch), [names[place] for place in batch])
                    fresh = dict(zip((keys[place] for place in batch), made, strict=True))
                    self._office.cache.keep(fresh)
                    known |= fresh
        return [known[key] for key in keys]

    def close(self, **record: Any) -> None:
        """Record how the question ended.

        Raises
        ------
        Fault
            ``storage`` if it cannot be written.
        """
        self._office.record("reply", **self._record, charged=self.charged, **record)

    def _pay(self, items: int, ahead: int, purse: Purse) -> None:
        if not items:
            return
        if not self._office.charge(items, self._limit, self._window, ahead, purse, **self._record):
            raise Fault("budget")
        self.charged += items


def _place(item: tuple[bytes, int]) -> int:
    return item[1]
