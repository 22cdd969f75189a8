"""The ledger: no sequence of debits, threads or windows spends more than is allowed."""

from __future__ import annotations

import tempfile
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fedsa.teacher.policy import audit
from fedsa.teacher.policy.office import Office
from fedsa.teacher.policy.windows import bounds, day_of
from tests.teacher.policy.conftest import NOON, Clock

WHO = st.sampled_from(["north", "south"])
CALL = st.sampled_from(["predict", "score"])
WINDOW = st.sampled_from(["day", "week", "month", "ever"])
ENTRY = {"set": "0" * 64, "question": "q"}


class Spending(RuleBasedStateMachine):
    """Two processes' offices on one folder, debits of all kinds, a clock that moves on, crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory()
        self.clock = Clock(NOON)
        self.folder = Path(self.home.name) / "state"
        self.offices = [Office(self.folder, self.clock), Office(self.folder, self.clock)]
        self.days: Counter[tuple[str, str, Any]] = Counter()

    def within(self, who: str, call: str, window: Any) -> int:
        first, last = bounds(window, day_of(self.clock.now))
        return sum(
            items
            for (a, b, day), items in self.days.items()
            if (a, b) == (who, call) and first <= day <= last
        )

    @rule(
        who=WHO,
        call=CALL,
        items=st.integers(0, 40),
        ahead=st.integers(0, 40),
        limit=st.integers(0, 120),
        window=WINDOW,
        one=st.integers(0, 1),
    )
    def debit(
        self, who: str, call: str, items: int, ahead: int, limit: int, window: Any, one: int
    ) -> None:
        office = self.offices[one]
        record = {"caller": who, "teacher": "mint", "call": call, **ENTRY}
        with office.ledger.purse(who, "mint", call) as purse:
            granted = office.charge(items, limit, window, ahead, purse, **record)
        before = self.within(who, call, window)
        assert granted == (before + items + ahead <= limit)
        if granted:
            self.days[who, call, day_of(self.clock.now)] += items
        left = office.ledger.left(who, "mint", call, limit, window, self.clock.now)
        assert left == max(0, limit - self.within(who, call, window))

    @rule(days=st.integers(0, 20), seconds=st.integers(0, 86_399))
    def later(self, days: int, seconds: int) -> None:
        self.clock.now += timedelta(days=days, seconds=seconds).total_seconds()

    @rule(one=st.integers(0, 1))
    def start_anew(self, one: int) -> None:
        self.offices[one].close()
        self.offices[one] = Office(self.folder, self.clock)

    @precondition(lambda self: (self.folder / "audit.jsonl").stat().st_size > 0)
    @rule(cut=st.integers(1, 300))
    def killed_in_the_middle_of_a_line(self, cut: int) -> None:
        # What is not yet known to be on the disk is still in the ledger.
        for office in self.offices:
            office.close()
        path = self.folder / "audit.jsonl"
        text = path.read_bytes()
        path.write_bytes(text[: max(0, len(text) - cut)])
        self.offices = [Office(self.folder, self.clock), Office(self.folder, self.clock)]

    @invariant()
    def the_books_agree(self) -> None:
        sums = Counter({(r.coordinator, r.call): r.spent for r in self.offices[0].spent()})
        wanted: Counter[tuple[str, str]] = Counter()
        for (who, call, _), items in self.days.items():
            wanted[who, call] += items
        assert +sums == +wanted
        assert audit.verify(self.folder) == []

    def teardown(self) -> None:
        for office in self.offices:
            office.close()
        self.home.cleanup()


TestSpending = Spending.TestCase
TestSpending.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)


def test_many_threads_spend_exactly_what_there_is(office: Office) -> None:
    granted: list[int] = []

    def spend(items: int) -> None:
        for _ in range(20):
            if office.ledger.debit("north", "mint", "predict", items, 200, "month", NOON):
                granted.append(items)

    threads = [threading.Thread(target=spend, args=(items,)) for items in (1, 2, 3, 5, 7, 1, 1, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 200 == office.spent()[0].spent


def test_what_was_granted_ahead_is_kept_for_the_question(office: Office) -> None:
    ledger, account = office.ledger, ("north", "mint", "predict")
    with ledger.purse(*account) as purse:
        assert ledger.debit(*account, 10, 50, "ever", NOON, ahead=30, purse=purse)
        assert not ledger.debit(*account, 11, 50, "ever", NOON)
        assert ledger.debit(*account, 10, 50, "ever", NOON)
        assert ledger.debit(*account, 30, 50, "ever", NOON, ahead=0, purse=purse)
    assert office.spent()[0].spent == 50
    with ledger.purse(*account) as purse:
        assert not ledger.debit(*account, 1, 50, "ever", NOON, ahead=0, purse=purse)


def test_a_grant_ends_with_its_question(office: Office) -> None:
    account = ("north", "mint", "predict")
    with office.ledger.purse(*account) as purse:
        assert office.ledger.debit(*account, 1, 50, "ever", NOON, ahead=49, purse=purse)
    assert office.ledger.debit(*account, 49, 50, "ever", NOON)


def test_accounts_are_apart(office: Office) -> None:
    for who in ("north", "south"):
        for teacher in ("mint", "thyme"):
            for call in ("predict", "score"):
                assert office.ledger.debit(who, teacher, call, 5, 5, "ever", NOON)
                assert not office.ledger.debit(who, teacher, call, 1, 5, "ever", NOON)
    assert len(office.spent()) == 8


def test_a_window_that_is_changed_counts_what_was_spent_before(office: Office) -> None:
    account = ("north", "mint", "predict")
    assert office.ledger.debit(*account, 8, 10, "day", NOON)
    assert not office.ledger.debit(*account, 3, 10, "ever", NOON + 40 * 86_400)
    assert office.ledger.debit(*account, 3, 10, "month", NOON + 40 * 86_400)
    assert [row.window for row in office.spent("month")] == ["2026-02", "2026-03"]
    assert [row.spent for row in office.spent("month")] == [8, 3]


def test_nothing_negative_is_debited(office: Office) -> None:
    with pytest.raises(ValueError, match="from zero"):
        office.ledger.debit("north", "mint", "predict", -1, 10, "ever", NOON)
