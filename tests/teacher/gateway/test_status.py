"""Every code has its status, both ways, and the page about the protocol says the same."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import grpc
import pytest

from fedsa.messages.failures import SENTENCES
from fedsa.teacher.faults import failure
from fedsa.teacher.gateway.calls import CALLS, CODE, MESSAGE_BYTES, PART_BYTES
from fedsa.teacher.gateway.server import ADMITTED
from fedsa.teacher.gateway.status import STATUS, failure_of

PAGE = Path(__file__).parents[3] / "docs" / "gateway-protocol.md"
ELSEWHERE = {"unreachable", "no-pool", "no-teacher"}  # said by a node, never by a gateway


def test_every_code_that_a_gateway_answers_has_a_status() -> None:
    assert set(STATUS) == set(SENTENCES) - ELSEWHERE


@pytest.mark.parametrize("code", sorted(STATUS))
def test_a_code_comes_back(code: str) -> None:
    metadata = [("other", "x"), (CODE, code)]
    assert failure_of(STATUS[code], metadata) == failure(code)
    wrong = next(status for status in grpc.StatusCode if status is not STATUS[code])
    assert failure_of(wrong, metadata) == failure_of(wrong, None)


@pytest.mark.parametrize("status", list(grpc.StatusCode))
def test_every_status_is_a_failure(status: grpc.StatusCode) -> None:
    for metadata in (None, (), [(CODE, "coffee")], [(CODE, "no-teacher")], [(CODE, b"\xff")]):
        assert failure_of(status, metadata).code in SENTENCES


def test_the_page_agrees() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*) \|$", text, re.MULTILINE)
    written = {name: set(re.findall(r"`([a-z-]+)`", codes)) for name, codes in rows}
    known = defaultdict(set)
    for code, status in STATUS.items():
        known[status.name].add(code)
    assert {name: codes for name, codes in written.items() if codes} == known
    for call in CALLS:
        assert f"| `{call}` |" in text
    assert MESSAGE_BYTES == 8 * 2**20 and "one message | 8 MiB" in text
    assert PART_BYTES == 2**20 and "streamed reply | 1 MiB" in text
    assert f"calls worked on at once | {ADMITTED} |" in text
