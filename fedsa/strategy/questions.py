"""Which questions a round asks, and what they cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from flwr.serverapp import Grid
from numpy.typing import NDArray

from fedsa.data.transfer import TransferSet
from fedsa.messages import (
    CompactAnswers,
    Failure,
    Offer,
    Offered,
    Predict,
    Predicted,
    Reply,
    offers,
)
from fedsa.problem import Problem
from fedsa.seeding import numpy_generator
from fedsa.strategy.exchange import Exchange

FIRST_SHARE = 0.5
"""Share of the transfer set that is asked in the first round; the rest follows evenly."""

AT_ONCE = 2**18
"""Bytes up to which a set goes along with its first offer: a second message takes longer."""


def order(problem: Problem) -> NDArray[np.int32]:
    """Return all items in the order in which they are asked, the labelled ones first."""
    labelled = problem.labelled.numpy()
    rest = np.setdiff1d(np.arange(len(problem.transfer)), labelled)
    shuffled = numpy_generator(problem.seed, "questions").permutation(rest)
    return np.concatenate([np.sort(labelled), shuffled]).astype(np.int32)


def response_items(problem: Problem, unlabelled: int) -> NDArray[np.int32]:
    """Return the items on which every teacher is judged: all labelled, some unlabelled ones."""
    return order(problem)[: len(problem.labelled) + unlabelled]


def items_upto(problem: Problem, round_: int, rounds: int) -> NDArray[np.int32]:
    """Return the items that a selected teacher shall have answered by the end of a round."""
    share = 1.0 if rounds == 1 else FIRST_SHARE + (1 - FIRST_SHARE) * (round_ - 1) / (rounds - 1)
    return order(problem)[: round(share * len(problem.transfer))]


def offer(
    exchange: Exchange, grid: Grid, transfer: TransferSet, teachers: Iterable[str]
) -> tuple[list[str], dict[str, str]]:
    """Bring the transfer set to every teacher that lacks it.

    Returns
    -------
    tuple[list[str], dict[str, str]]
        Those that hold it now, sorted; and the failure's code for each of the others.
    """
    holders: list[str] = []
    refused: dict[str, str] = {}
    # One teacher of a node after another, so that those which share a store on one machine
    # find the set already there.
    waiting: dict[int, list[str]] = {}
    for name in sorted(teachers):
        waiting.setdefault(exchange.nodes[name], []).append(name)
    while waiting:
        turn = {node: names[0] for node, names in waiting.items()}
        status = exchange.ask(grid, {n: _first_offer(n, transfer) for n in turn.values()})
        while more := _unfinished(status):
            status |= exchange.ask(
                grid,
                {n: next(offers(n, transfer.hash, transfer.array, h)) for n, h in more.items()},
            )
        for name in turn.values():
            reply = status.get(name)
            if isinstance(reply, Offered) and reply.status == "held":
                holders.append(name)
            else:  # who owes a reply was not asked
                told = "late" if reply is None else "refused"
                refused[name] = reply.code if isinstance(reply, Failure) else told
        waiting = {node: names[1:] for node, names in waiting.items() if names[1:]}
    return sorted(holders), refused


def _unfinished(status: Mapping[str, Reply]) -> dict[str, int]:
    """Return how many items those hold that ask for more."""
    return {n: r.held for n, r in status.items() if isinstance(r, Offered) and r.status == "more"}


def offer_cost(teacher: str, transfer: TransferSet) -> int:
    """Return the bytes of bringing the whole set to an institution that lacks it."""
    first = _first_offer(teacher, transfer)
    chunks = offers(teacher, transfer.hash, transfer.array) if first.chunk is None else ()
    return first.payload_bytes + sum(chunk.payload_bytes for chunk in chunks)


def _first_offer(teacher: str, transfer: TransferSet) -> Offer:
    """Return the set's name alone, or the whole set if it is small."""
    if transfer.array.nbytes <= AT_ONCE:
        whole, *more = offers(teacher, transfer.hash, transfer.array)
        if not more:
            return whole
    shape = tuple(int(size) for size in transfer.array.shape)
    return Offer(teacher, transfer.hash, transfer.array.dtype.name, shape)


def predict_cost(
    teacher: str, set_hash: str, items: NDArray[np.int32], form: str, outputs: int
) -> tuple[int, int]:
    """Return the bytes of asking a teacher about ``items``, and of its answers."""
    width = np.dtype(form).itemsize
    # Of the same size whichever kind the answers are.
    one = CompactAnswers.encode(np.full((1, outputs), 1 / outputs), form, "values")
    received = Predicted(one)
    received_bytes = received.payload_bytes + (len(items) - 1) * outputs * width
    return Predict(teacher, set_hash, items, form).payload_bytes, received_bytes
