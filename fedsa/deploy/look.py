"""Asks every node who it is, before a run: the server's side of ``fedsa deploy check``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flwr.app import Message
from flwr.serverapp import Grid

from fedsa import __version__
from fedsa.data.splits import split
from fedsa.data.transfer import TransferSet
from fedsa.deploy.findings import Seen, problems
from fedsa.errors import FedsaError
from fedsa.messages import (
    Card,
    Describe,
    Described,
    Failure,
    MessageError,
    Offer,
    Offered,
    Reply,
    Request,
    message_type,
    reply_from,
    to_record,
)
from fedsa.messages.failures import sentence_of
from fedsa.run_config import scenario_of
from fedsa.runs.folder import write_json

RESULT = "check.json"
TIMEOUT = 40.0
NODES_WAIT = 15.0
_POLL = 0.5
_INVALID_FAB = 7
_ERRORS = {
    1: "It stopped while it was asked, or does not answer.",
    2: "Its app failed: is fedsa installed there, in the coordinator's version?",
    4: "Its app could not be loaded: is fedsa installed there, in the coordinator's version?",
    5: "Its connection was lost.",
    _INVALID_FAB: "Its institution has not approved this app bundle: ask it to.",
    8: "Its app ended before it had answered.",
}
_SILENT = "No answer came in time: is it busy, or its gateway's machine hanging?"


def look(grid: Grid, run_config: Mapping[str, Any]) -> None:
    """Write who is connected, and what is wrong, into ``check.json`` of the run config's folder.

    Parameters
    ----------
    grid : Grid
        Flower's grid.
    run_config : Mapping[str, Any]
        ``run-dir`` is the folder. With a ``scenario``, every teacher is also asked whether it
        answers about that scenario's transfer set; nothing of the set is sent.
    """
    result = Path(str(run_config["run-dir"])) / RESULT
    begin = time.time()
    try:
        scenario = scenario_of(run_config) if run_config.get("scenario") else None
        transfer = split(scenario).transfer if scenario else None
        seen = _ask(grid, transfer)
    except FedsaError as error:
        write_json(result, {"error": str(error), "exit-code": error.exit_code})
        raise
    document = {
        "time": begin,
        "software": f"fedsa {__version__}",
        "scenario": scenario.name if scenario else None,
        "set": transfer.hash if transfer else None,
        "nodes": [node.document() for node in seen],
        "problems": [vars(problem) for problem in problems(seen, scenario)],
    }
    write_json(result, document)


def _ask(grid: Grid, transfer: TransferSet | None) -> list[Seen]:
    names = _nodes(grid)
    sent, begin = {node: Describe() for node in names}, time.time()
    seen = []
    cards: dict[int, tuple[Card, ...]] = {}
    for node, (reply, came) in _exchange(grid, sent.items()).items():
        if not isinstance(reply, Described):
            code, sentence = (
                (reply.code, reply.sentence) if isinstance(reply, Failure) else ("", "")
            )
            seen.append(Seen(node, names[node], code=code, sentence=sentence))
            continue
        cards[node] = reply.cards
        clock, uncertain = reply.clock - (begin + came) / 2, (came - begin) / 2
        if not reply.clock:
            clock = 0.0
        seen.append(Seen(node, names[node], "", "", reply.cards, reply.software, clock, uncertain))
    if transfer is not None:
        seen = _with_offers(grid, seen, transfer)
    return sorted(seen, key=lambda one: (one.name, one.node))


def _with_offers(grid: Grid, seen: list[Seen], transfer: TransferSet) -> list[Seen]:
    """Ask each teacher about the set, by its hash alone."""
    shape, dtype = tuple(map(int, transfer.array.shape)), transfer.array.dtype.name
    offered: dict[int, list[tuple[str, str]]] = {}
    turns = max((len(node.cards) for node in seen), default=0)
    for turn in range(turns):
        asked = {
            node.node: Offer(node.cards[turn].id, transfer.hash, dtype, shape)
            for node in seen
            if turn < len(node.cards)
        }
        for node, (reply, _) in _exchange(grid, asked.items()).items():
            status = reply.status if isinstance(reply, Offered) else "refused"
            status = reply.code if isinstance(reply, Failure) else status
            offered.setdefault(node, []).append((asked[node].teacher, status))
    return [Seen(**{**vars(node), "offered": tuple(offered.get(node.node, ()))}) for node in seen]


def _exchange(grid: Grid, asked: Iterable[tuple[int, Request]]) -> dict[int, tuple[Reply, float]]:
    """Return every node's reply, and when it was seen to have come."""
    sent: dict[str, tuple[int, Request]] = {}
    for node, request in asked:
        message = Message(
            content=to_record(request), message_type=message_type(request), dst_node_id=node
        )
        (known,) = grid.push_messages([message])
        sent[known] = (node, request)
    deadline, waiting = time.monotonic() + TIMEOUT, set(sent)
    found: dict[int, tuple[Reply, float]] = {}
    while waiting and time.monotonic() < deadline:
        for reply in grid.pull_messages(sorted(waiting)):
            name = reply.metadata.reply_to_message_id
            node, request = sent[name]
            waiting.discard(name)
            found[node] = (_read(reply, request), time.time())
        time.sleep(_POLL)
    for name in waiting:
        found[sent[name][0]] = (Failure("late", _SILENT), time.time())
    return found


def _read(reply: Message, request: Request) -> Reply:
    if reply.has_error():
        code = reply.error.code
        named = "bundle" if code == _INVALID_FAB else "lost"
        return Failure(named, _ERRORS.get(code, _ERRORS[1]))  # never the error's own text
    try:
        read = reply_from(reply.content, request)
    except MessageError as error:
        return Failure("malformed", str(error))
    return Failure(read.code, sentence_of(read.code)) if isinstance(read, Failure) else read


def _nodes(grid: Grid) -> dict[int, str]:
    """Return the connected nodes with their names, having given the first one time to come."""
    deadline = time.monotonic() + NODES_WAIT
    while not (ids := sorted(grid.get_node_ids())) and time.monotonic() < deadline:
        time.sleep(_POLL)
    describe = getattr(grid, "get_nodes", None)  # a simulation's grid knows no names
    names = {node.node_id: str(node.name) for node in describe()} if describe else {}
    return {node: names.get(node, "") for node in ids}
