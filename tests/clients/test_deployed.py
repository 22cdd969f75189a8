"""The ClientApp of a deployed node: it forwards to the gateway, and has nothing to give away."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Context, Message, RecordDict
from flwr.app.metadata import Metadata

from clients.app import app
from fedsa.data.transfer import content_hash
from fedsa.messages import (
    Describe,
    Described,
    Failure,
    Offered,
    Predict,
    Predicted,
    Saliency,
    Salient,
    Score,
    Scored,
    message_type,
    offers,
    reply_from,
    to_record,
)
from tests.teacher.gateway.conftest import POLICY

ROOT = Path(__file__).parents[2]
Make = Callable[..., Path]


def _ask(request: Any, node: dict[str, Any], run: dict[str, Any] | None = None, ttl: float = 60.0):  # type: ignore[no-untyped-def]
    metadata = Metadata(1, "id-1", 7, 8, "", "3", 0.0, ttl, message_type(request))
    context = Context(1, 8, node, RecordDict(), run or {})
    reply = app(Message(content=to_record(request), metadata=metadata), context)
    assert not reply.has_error()
    return reply_from(reply.content, request)


def test_a_whole_conversation(
    make_teacher: Make, gateway: Callable[..., Any], items: np.ndarray
) -> None:
    node = {"gateway": gateway(make_teacher(policy=POLICY)).address}
    cards = _ask(Describe(), node)
    assert isinstance(cards, Described) and [card.id for card in cards.cards] == ["mint"]
    name, which = content_hash(items), np.array([1, 4, 6])
    assert [_ask(offer, node) for offer in offers("mint", name, items)] == [Offered("held", 10)]
    assert isinstance(_ask(Predict("mint", name, which), node), Predicted)
    salient = _ask(Saliency("mint", name, which, "occlusion", 7, 4), node)
    assert isinstance(salient, Salient)
    scored = _ask(Score("mint", name, which, "occlusion", salient.maps), node)
    assert isinstance(scored, Scored)
    refused = _ask(Predict("mint", name, np.array([10])), node)
    assert isinstance(refused, Failure) and refused.code == "indices"


def test_no_path_of_the_coordinator_is_followed(make_teacher: Make, short: Path) -> None:
    pool = make_teacher().parent.parent
    (pool / "pool.json").write_text('{"teachers": ["mint"]}')
    run = {"pool": str(pool), "gateway": f"unix://{short}/other.sock"}
    for node, code in (
        ({}, "no-teacher"),
        ({"gateway": ""}, "no-teacher"),
        ({"gateway": "localhost:8443"}, "no-teacher"),  # without certificates
        ({"gateway": f"unix://{short}/gone.sock"}, "unreachable"),
    ):
        reply = _ask(Describe(), node, run, ttl=0.5)
        assert isinstance(reply, Failure) and reply.code == code


@pytest.mark.slow
def test_a_deployed_node_imports_nothing_that_runs_a_model(short: Path) -> None:
    code = (
        "import sys\n"
        "from clients.app import app\n"
        "from fedsa.teacher.door import respond\n"
        "from fedsa.messages import Describe, to_record\n"
        f"node = {{'gateway': 'unix://{short}/gone.sock'}}\n"
        "reply = respond(to_record(Describe()), 'query.describe', node, {}, 0.2)\n"
        "heavy = {'torch', 'captum', 'ray', 'scipy', 'sklearn', 'onnxruntime', 'safetensors'}\n"
        "print(reply.code, sorted(heavy & set(sys.modules)))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout == "unreachable []\n"
