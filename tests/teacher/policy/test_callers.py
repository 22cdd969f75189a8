"""Any sequence of questions, and many callers at once: nobody learns more than the budget says."""

from __future__ import annotations

import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from fedsa.messages import Failure, Predict, Predicted, Score, Scored
from fedsa.saliency.compact import CompactMaps
from fedsa.teacher.policy import audit
from fedsa.teacher.policy.guard import Guard
from fedsa.teacher.policy.office import Office
from fedsa.teacher.teacher import Teacher
from tests.teacher.policy.conftest import Clock, Desk, section

LIMIT, LOOKS, ITEMS = 12, 60, 10
WHO = st.sampled_from(["north", "south"])
FORM = st.sampled_from(["uint8"] * 5 + ["float16"])
WHICH = st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=12)

MakeDesk = Callable[..., Desk]


@pytest.fixture
def asking(mint: Teacher, items: np.ndarray) -> type[RuleBasedStateMachine]:
    class Asking(RuleBasedStateMachine):
        """Questions of two coordinators about two sets, restarts, and caches that get lost."""

        @initialize()
        def begin(self) -> None:
            self.home = tempfile.TemporaryDirectory()
            self.clock = Clock()
            self.told: dict[tuple[int, int], bytes] = {}
            self.learned: dict[str, set[tuple[int, int]]] = defaultdict(set)
            self.months: dict[tuple[str, str, str], int] = {}
            self.open()

        def open(self) -> None:
            self.office = Office(Path(self.home.name) / "s", self.clock)
            policy = section(
                budget={"predict": LIMIT, "score": LOOKS, "window": "month"}, noise={"sigma": 0.2}
            )
            guard = Guard(mint, policy, self.office)
            self.desks = [Desk(guard, self.office, items), Desk(guard, self.office, items // 2)]

        @rule(
            who=WHO,
            which=WHICH,
            one=st.integers(0, 1),
            form=st.sampled_from(["uint8"] * 5 + ["float16"]),
        )
        def predict(self, who: str, which: list[int], one: int, form: str) -> None:
            desk = self.desks[one]
            new = {(one, k) for k in which} - self.learned[who]
            left = self.left(who, "predict")
            reply = desk(Predict("mint", desk.set_hash, np.array(which), form), who)
            if form == "float16" or len(new) > left:
                assert isinstance(reply, Failure)
                assert reply.code == ("refused" if form == "float16" else "budget")
                assert self.left(who, "predict") == left
                return
            assert isinstance(reply, Predicted)
            for k, row in zip(which, reply.answers.values, strict=True):
                assert self.told.setdefault((one, k), row.tobytes()) == row.tobytes()
            self.learned[who] |= new
            assert self.left(who, "predict") == left - len(new)

        @rule(who=WHO, which=WHICH, seed=st.integers(0, 2))
        def score(self, who: str, which: list[int], seed: int) -> None:
            desk = self.desks[0]
            values = np.random.default_rng(seed).integers(0, 16, (len(which), 49), dtype=np.uint8)
            request = Score(
                "mint", desk.set_hash, np.array(which), "grad-cam", CompactMaps(values, 4)
            )
            left = self.left(who, "score")
            reply = desk(request, who)
            if isinstance(reply, Scored):
                again = self.left(who, "score")
                assert left - len(set(which)) <= again <= left
                assert desk(request, who) == reply and self.left(who, "score") == again
            else:
                assert isinstance(reply, Failure) and reply.code == "budget"
                assert self.left(who, "score") == left < len(set(which))

        @rule()
        def next_month(self) -> None:
            self.clock.now += 31 * 86_400

        @rule()
        def restart(self) -> None:
            self.office.close()
            self.open()

        @rule()
        def lose_the_cache(self) -> None:
            self.office.close()
            for path in Path(self.home.name, "s").glob("answers.sqlite*"):
                path.unlink()
            self.learned.clear()  # it has to be paid for again, and is the same again
            self.open()

        def left(self, who: str, call: str) -> int:
            terms = self.desks[0].guard.card_for(who).terms
            assert terms is not None
            return terms.left(call)

        @invariant()
        def no_month_is_overspent(self) -> None:
            for row in self.office.spent("month"):
                assert row.spent <= {"predict": LIMIT, "score": LOOKS}[row.call]

        def teardown(self) -> None:
            assert audit.verify(self.office.folder) == []
            self.office.close()
            self.home.cleanup()

    return Asking


def test_no_sequence_of_questions_exceeds_a_budget(asking: type[RuleBasedStateMachine]) -> None:
    run_state_machine_as_test(
        asking, settings=settings(max_examples=6, stateful_step_count=14, deadline=None)
    )


def test_many_callers_at_once(open_desk: MakeDesk, office: Office) -> None:
    rows = np.random.default_rng(2).integers(0, 256, (120, 1, 12, 12), dtype=np.uint8)
    desk = Desk(open_desk(budget={"predict": 90}, noise={"sigma": 0.1}).guard, office, rows)
    lock = threading.Lock()
    told: dict[int, set[bytes]] = defaultdict(set)
    learned: dict[str, set[int]] = defaultdict(set)
    codes: set[str] = set()

    def ask(thread: int) -> None:
        lots = np.random.default_rng(thread)
        who = ("north", "south")[thread % 2]
        for _ in range(12):
            which = lots.permutation(120)[: lots.integers(1, 25)]
            reply: Any = desk(Predict("mint", desk.set_hash, which), who)
            with lock:
                if isinstance(reply, Failure):
                    codes.add(reply.code)
                    continue
                learned[who] |= set(map(int, which))
                for k, row in zip(which, reply.answers.values, strict=True):
                    told[int(k)].add(row.tobytes())

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == {"budget"}
    assert all(len(rows) == 1 for rows in told.values())
    for who in ("north", "south"):
        assert 60 <= len(learned[who]) <= desk.spent(who) <= 90
    assert audit.verify(office.folder) == []
