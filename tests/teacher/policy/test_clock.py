"""A clock that is set back opens neither a spent budget nor a policy that has ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
import pytest

from fedsa.messages import Failure, Predict
from fedsa.teacher.policy import audit
from fedsa.teacher.policy.accounts import accounts
from fedsa.teacher.policy.office import Office
from tests.teacher.policy.conftest import Clock, Desk

DAY = 86_400.0


def _ask(desk: Desk, *places: int) -> str:
    question = Predict(desk.guard.card.id, desk.set_hash, np.array(places, np.int32))
    reply = desk(question)
    return reply.code if isinstance(reply, Failure) else "answered"


@pytest.mark.parametrize("window", ["day", "week", "month"])
@pytest.mark.parametrize("days", [1, 9, 40])
def test_a_spent_budget_stays_spent(
    open_desk: Callable[..., Desk], clock: Clock, window: str, days: int
) -> None:
    desk = open_desk(calls=["predict"], budget={"predict": 3, "window": window})
    assert _ask(desk, 0, 1, 2) == "answered"
    clock.now -= days * DAY
    assert _ask(desk, 3) == "budget"
    terms = desk.guard.card_for("north").terms
    assert terms is not None and terms.limits[0].left == 0
    assert [one.spent for one in accounts(desk.office)] == [3]
    clock.now += (days + 40) * DAY
    assert _ask(desk, 3) == "answered"
    assert desk.spent() == 4


def test_what_is_spent_meanwhile_is_entered_on_the_latest_day(
    open_desk: Callable[..., Desk], clock: Clock, office: Office
) -> None:
    desk = open_desk(budget={"predict": 3, "window": "day"})
    assert _ask(desk, 0) == "answered"
    clock.now -= 3 * DAY
    assert _ask(desk, 1) == "answered"
    clock.now += 3 * DAY
    assert _ask(desk, 2) == "answered"
    assert _ask(desk, 3) == "budget"
    assert [one.window for one in office.spent("day")] == ["2026-02-14"]
    assert audit.verify(office.folder) == []


def test_a_policy_that_has_ended_stays_shut(open_desk: Callable[..., Desk], clock: Clock) -> None:
    desk = open_desk(ends=date(2026, 2, 14))
    clock.now += DAY
    later = open_desk(ends=date(2026, 3, 1))
    assert _ask(later, 0) == "answered"
    clock.now -= 2 * DAY
    assert _ask(desk, 1) == "closed"
