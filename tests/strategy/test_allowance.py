"""What may still be asked, between two readings of a card."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fedsa.messages import Card, Cost, Limit, Terms
from fedsa.strategy.allowance import FACTS, Allowance, within


def card(left: int | None, cost: int = 1, call: str = "predict") -> Card:
    """Return the card of a teacher that has so much left of one kind of question."""
    terms = None
    if left is not None:
        costs = (Cost("occlusion", cost),) if cost > 1 else ()
        terms = Terms((Limit(call, left, left),), costs=costs)  # type: ignore[arg-type]
    return Card(
        id="low",
        task="classification",
        outputs=5,
        classes=None,
        shape=(64,),
        architecture="undisclosed",
        gradients=False,
        methods=("occlusion",),
        grid=7,
        bits=4,
        fingerprint="0" * 64,
        terms=terms,
    )


@given(
    left=st.integers(0, 400),
    rounds=st.integers(1, 6),
    ahead=st.booleans(),
    size=st.integers(0, 300),
)
def test_no_course_of_rounds_asks_more_than_is_left(
    left: int, rounds: int, ahead: bool, size: int
) -> None:
    allowance, own = Allowance(), card(left)
    order = np.arange(size, dtype=np.int32)
    asked: list[int] = []
    sizes = []
    for round_ in range(rounds):
        upto = order[: round(size * (0.5 + 0.5 * (round_ + 1) / rounds))]
        now = upto[~np.isin(upto, asked)]
        whole = order[~np.isin(order, asked)]
        items = within(now, whole, allowance.left(own, "predict"), rounds - round_, ahead)
        allowance.ask(own, "predict", len(items))
        asked += items.tolist()
        sizes.append(len(items))
    assert len(set(asked)) == len(asked) <= left
    assert asked == list(range(len(asked)))  # the most useful first
    if left >= size:
        assert len(asked) == size and (not ahead or sizes[0] == size)
    if left < size // 2 and left % rounds == 0:
        assert sizes == [left // rounds] * rounds  # evenly


def test_a_card_that_is_read_anew_settles_the_account() -> None:
    allowance = Allowance()
    allowance.ask(card(100), "predict", 60)
    assert allowance.left(card(100), "predict") == 40
    assert allowance.left(card(100), "score") == 0  # shut
    allowance.ask(card(100), "predict", 60)
    assert allowance.left(card(100), "predict") == 0
    allowance.read("low")
    assert allowance.left(card(70), "predict") == 70


def test_where_nothing_is_metered_anything_may_be_asked() -> None:
    allowance = Allowance()
    allowance.ask(card(None), "predict", 10**6)
    allowance.refused("low", "predict", "budget")
    assert allowance.left(card(None), "predict") is None


def test_what_the_terms_forbid_is_not_asked_until_the_card_is_read() -> None:
    for code in FACTS:
        allowance = Allowance()
        allowance.refused("low", "predict", "busy")
        assert allowance.left(card(50), "predict") == 50
        allowance.refused("low", "predict", code)
        assert allowance.left(card(50), "predict") == 0
        allowance.read("low")
        assert allowance.left(card(50), "predict") == 50


def test_maps_are_charged_by_their_method_and_once() -> None:
    allowance, own = Allowance(), card(1000, cost=50, call="score")
    assert allowance.left(own, "score", "occlusion") == 20
    assert allowance.left(own, "score", "grad-cam") == 1000
    allowance.ask(own, "score", 10, "occlusion")
    assert allowance.left(own, "score", "occlusion") == 10
    allowance.paid.add(("low", "score", "occlusion"))
    assert allowance.left(own, "score", "occlusion") == 500
    allowance.ask(own, "score", 10, "occlusion")
    assert allowance.left(own, "score", "occlusion") == 490
