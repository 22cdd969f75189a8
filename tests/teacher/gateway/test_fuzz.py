"""The fuzzed service: a coded error each, still serving, nothing spent. It prints its figures."""

from __future__ import annotations

import itertools
import json
import socket
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np

from fedsa.data.transfer import content_hash
from fedsa.messages import Describe, Described, Predict, Predicted
from fedsa.messages.failures import SENTENCES
from fedsa.teacher.gateway.calls import CODE
from fedsa.teacher.gateway.server import Gateway
from fedsa.teacher.gateway.status import STATUS
from fedsa.teacher.policy.audit import verify
from fedsa.teacher.policy.office import Office
from tests.teacher.gateway.conftest import BUDGET, Make, client_of, offer
from tests.teacher.gateway.fuzzing import Fuzz, Question

THREADS, EACH = 8, 1300
LARGE = 8
CONNECTIONS = 100


def _send(channel: grpc.Channel, question: Question) -> tuple[str, str]:
    """Send bytes to a call, whatever they are; return its status and code."""
    path, data = question
    try:
        list(channel.unary_stream(path)(data, timeout=60))
    except grpc.RpcError as error:
        codes = [str(value) for key, value in error.trailing_metadata() or () if key == CODE]
        if codes:
            assert error.details() == SENTENCES[codes[0]]
            assert STATUS[codes[0]] is error.code()
        else:  # gRPC's own refusals: no such call, too long a message
            assert error.code().name in ("UNIMPLEMENTED", "RESOURCE_EXHAUSTED")
        return error.code().name, codes[0] if codes else ""
    return "OK", ""


def test_the_fuzzed_service(
    gateway: Callable[..., Gateway],
    make_teacher: Make,
    items: np.ndarray,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    name, state = content_hash(items), tmp_path / "state"
    policy = {
        "calls": ["predict", "saliency", "score"],
        "coordinators": ["local"],
        "sets": [name],
        "budget": BUDGET,
    }
    one = gateway(make_teacher(policy=policy), state=state)
    with client_of(one) as client:
        offer(client, "mint", items)

        def work(seed: int) -> Counter[tuple[str, str]]:
            fuzz = Fuzz(seed, "mint", name, len(items))
            questions = list(itertools.islice(fuzz, EACH))
            questions += [fuzz.large() for _ in range(LARGE // THREADS)]
            options = [("grpc.max_send_message_length", -1)]
            with grpc.insecure_channel(one.address, options=options) as channel:
                return Counter(_send(channel, question) for question in questions)

        with ThreadPoolExecutor(THREADS) as pool:
            found = sum(pool.map(work, range(THREADS)), Counter())
        _no_http(Path(one.address.removeprefix("unix://")))

        spent = Office(state)
        assert spent.spent() == []
        spent.close()
        assert isinstance(client.ask(Describe(), 20), Described)
        assert isinstance(client.ask(Predict("mint", name, np.arange(3)), 20), Predicted)
    assert verify(state) == []
    figures = {f"{status} {code}".strip(): count for (status, code), count in found.items()}
    told = f"fuzzed service: {found.total()} requests {json.dumps(figures, sort_keys=True)}"
    record_property("figure", told)
    assert found.total() >= 10_000
    assert not {status for status, _ in found} & {"OK", "INTERNAL", "UNKNOWN", "UNAVAILABLE"}
    codes = {code for _, code in found}
    assert codes >= {"", "malformed", "indices", "unknown-teacher", "not-approved", "refused"}


def _no_http(path: Path) -> None:
    """Write noise where HTTP/2 is expected, and leave at any point of it."""
    rng = np.random.default_rng(0)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for number in range(CONNECTIONS):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            head = preface[: rng.integers(len(preface) + 1)] if number % 2 else b""
            connection.sendall(head + rng.bytes(int(rng.integers(0, 400))))
