"""Which items are asked when, and that what is charged is what travels."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Message

from fedsa.messages import Offer, Offered, Predict, Predicted, requests, to_record
from fedsa.problem import Problem
from fedsa.strategy import questions
from fedsa.strategy.exchange import Exchange
from fedsa.strategy.post import Post
from tests.strategy.conftest import LocalGrid
from tests.strategy.harness import IDS


def _enrolled(grid: LocalGrid) -> Exchange:
    exchange = Exchange(Post(5.0), lambda name, failure: pytest.fail(f"{name}: {failure}"))
    exchange.enrol(grid)
    return exchange


def test_the_labelled_items_come_first_and_every_item_once(problem: Problem) -> None:
    order = questions.order(problem)
    assert sorted(order.tolist()) == list(range(240))
    assert order[:24].tolist() == sorted(problem.labelled.tolist())
    assert np.array_equal(order, questions.order(problem))
    assert np.array_equal(questions.response_items(problem, 40), order[:64])


def test_half_is_asked_first_and_the_rest_evenly(problem: Problem) -> None:
    assert [len(questions.items_upto(problem, r, 4)) for r in (1, 2, 3, 4)] == [120, 160, 200, 240]
    assert len(questions.items_upto(problem, 1, 1)) == 240
    for round_ in (1, 2, 3):
        now, then = (questions.items_upto(problem, r, 4) for r in (round_, round_ + 1))
        assert np.array_equal(then[: len(now)], now)


@pytest.mark.parametrize("form", ["uint8", "float16"])
def test_the_charge_for_answers_is_what_travels(problem: Problem, pool: Path, form: str) -> None:
    grid, transfer = LocalGrid(pool), problem.transfer
    exchange = _enrolled(grid)
    assert questions.offer(exchange, grid, transfer, ["low", "even"]) == (["even", "low"], {})
    items = np.array([3, 1, 200], dtype=np.int32)
    request = Predict("low", transfer.hash, items, form)
    reply = exchange.ask(grid, {"low": request})["low"]
    assert isinstance(reply, Predicted)
    expected = request.payload_bytes, reply.payload_bytes
    assert questions.predict_cost("low", transfer.hash, items, form, 5) == expected


def test_the_set_goes_over_once_a_store_in_chunks(
    problem: Problem, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The three teachers of a machine share one store: later offers find the set there."""
    shutil.rmtree(pool.parent.parent / "sets", ignore_errors=True)
    monkeypatch.setattr(requests, "MAX_CHUNK_BYTES", 100 * 64 * 4)  # 100 items of 64 numbers
    grid, transfer = LocalGrid(pool, nodes=1), problem.transfer
    exchange = _enrolled(grid)
    sent: list[int] = []
    compose = exchange.compose

    def noted(asked):  # type: ignore[no-untyped-def]
        sent.extend(one.payload_bytes for one in asked.values())
        return compose(asked)

    monkeypatch.setattr(exchange, "compose", noted)
    assert questions.offer(exchange, grid, transfer, exchange.cards) == (IDS, {})
    # One name, three chunks (100, 100, 40) for the first; a name each for the others.
    assert grid.asked.count("query.offer") == 4 + 1 + 1
    assert sum(sent[:4]) == questions.offer_cost("even", transfer)
    assert sum(sent[:4]) > transfer.array.nbytes


def test_a_set_that_is_refused_leaves_the_teacher_out(problem: Problem, pool: Path) -> None:
    grid = LocalGrid(pool, nodes=3)
    exchange = _enrolled(grid)
    reply_to_all = to_record(Offered("refused", 0))
    grid.fault = lambda asked, reply: (
        Message(reply_to_all, reply_to=asked) if asked.metadata.dst_node_id == 12 else reply
    )
    held, refused = questions.offer(exchange, grid, problem.transfer, exchange.cards)
    assert (held, refused) == (["even", "low"], {"high": "refused"})


def test_a_small_set_goes_along_with_its_first_offer(
    problem: Problem, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfer = problem.transfer
    named = Offer("low", transfer.hash, "float32", (240, 64))
    whole = next(requests.offers("low", transfer.hash, transfer.array))
    assert named.payload_bytes < 300
    for bytes_, messages, cost in (
        (transfer.array.nbytes, 1, whole.payload_bytes),
        (transfer.array.nbytes - 1, 2, named.payload_bytes + whole.payload_bytes),
    ):
        monkeypatch.setattr(questions, "AT_ONCE", bytes_)
        shutil.rmtree(pool.parent.parent / "sets", ignore_errors=True)
        grid = LocalGrid(pool)
        assert questions.offer(_enrolled(grid), grid, transfer, ["low"]) == (["low"], {})
        assert grid.asked.count("query.offer") == messages
        assert questions.offer_cost("low", transfer) == cost
