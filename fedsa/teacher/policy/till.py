"""Where a question's items are paid for: what is known is free, the rest is debited first."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
        self._whose = hashlib.sha256(f"{record['caller']}\0{record['call']}\0".encode())

    @property
    def cache(self) -> AnswerCache:
        """What was answered before."""
        return self._office.cache

    def key(self, name: bytes) -> bytes:
        """Return where the cache keeps what this caller has been told under a name.

        The caller is part of it: nobody gets for free what another has paid for, nor learns by a
        budget that was not touched what another has asked.
        """
        digest = self._whose.copy()
        digest.update(name)
        return digest.digest()

    def values(
        self, asked: Asked, names: list[bytes], make: Make, price: int = 1, again: int = 0
    ) -> list[bytes]:
        """Return the final answer for each item, in the order asked.

        The whole question must fit into what is left, else nothing is spent; then each batch is
        debited before it is inferred. A crash, or a cancelled call, may lose the debit of a batch
        or two to the caller, never to the institution.

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
        if self.cancelled():
            raise Fault("cancelled")
        keys = [self.key(name) for name in names]
        first: dict[bytes, int] = {}
        for place, key in enumerate(keys):
            first.setdefault(key, place)
        known = self.cache.find(list(first))
        missing = [place for key, place in first.items() if key not in known]
        batches = [missing[start : start + BATCH] for start in range(0, len(missing), BATCH)]
        costs = [price * len(batch) for batch in batches] or [0]
        costs[0] += again * len(known)
        record = self._record
        account = (record["caller"], record["teacher"], record["call"])
        # While a batch is inferred, the next is debited and the one before goes to the cache.
        with self._office.ledger.purse(*account) as purse, ThreadPoolExecutor(1) as aside:
            self._pay(costs, 0, purse)
            for turn, batch in enumerate(batches, start=1):
                if self.cancelled():  # between batches, before the next is debited
                    raise Fault("cancelled")
                paid = aside.submit(self._pay, costs, turn, purse)
                try:
                    made = make(asked.take(batch), [names[place] for place in batch])
                except BaseException:
                    paid.cancel()
                    raise
                fresh = dict(zip((keys[place] for place in batch), made, strict=True))
                known |= fresh
                aside.submit(self.cache.keep, fresh)
                paid.result()
        return [known[key] for key in keys]

    def close(self, outcome: str, **record: Any) -> None:
        """Record how the question ended; refusals of a caller who asks too often only by number.

        Raises
        ------
        Fault
            ``storage`` if it cannot be written.
        """
        entry = {**self._record, "charged": self.charged, "outcome": outcome, **record}
        free = outcome != "answered" and not self.charged
        note = self._office.refused if free else self._office.record
        note("reply", **entry)

    def _pay(self, costs: list[int], turn: int, purse: Purse) -> None:
        """Debit what the batch ``turn`` costs, if there is one and all after it fit as well."""
        items, ahead = sum(costs[turn : turn + 1]), sum(costs[turn + 1 :])
        if not items:
            return
        if not self._office.charge(items, self._limit, self._window, ahead, purse, **self._record):
            raise Fault("budget")
        self.charged += items
