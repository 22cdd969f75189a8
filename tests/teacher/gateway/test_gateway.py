"""A gateway over real gRPC: it tells how it is, bounds what it does, and stops when asked to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from fedsa.errors import TeacherFileError
from fedsa.messages import (
    Describe,
    Described,
    Failure,
    Offer,
    Predict,
    Predicted,
    Saliency,
    Salient,
    Score,
    Scored,
)
from fedsa.teacher.gateway.calls import CALLS, CODE, MESSAGE_BYTES, SERVICE
from fedsa.teacher.gateway.client import Client, ask
from fedsa.teacher.gateway.requests import write_request
from fedsa.teacher.gateway.server import Gateway
from fedsa.teacher.gateway.target import Target
from tests.teacher.gateway import slow_models
from tests.teacher.gateway.conftest import POLICY, Make, client_of, offer

Started = Callable[..., Gateway]
OK = health_pb2.HealthCheckResponse


@pytest.fixture(autouse=True)
def _reset() -> Iterator[None]:
    slow_models.reset()
    yield
    for event in (slow_models.LOADING, slow_models.GATE):
        event.set()


def _code(reply: Any) -> str:
    assert isinstance(reply, Failure), reply
    return reply.code


def _items(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(1, 256, (count, 1, 12, 12), dtype=np.uint8)


def test_a_whole_conversation(gateway: Started, make_teacher: Make, items: np.ndarray) -> None:
    files = [make_teacher(name, policy=POLICY) for name in ("sage", "mint")]
    with client_of(gateway(*files)) as client:
        found = client.ask(Describe(), 20)
        assert isinstance(found, Described) and [card.id for card in found.cards] == [
            "mint",
            "sage",
        ]
        assert found.software.startswith("fedsa ") and abs(found.clock - time.time()) < 600
        assert found.cards[0].terms is not None and found.cards[0].terms.left("predict") == 100_000
        name, which = offer(client, "mint", items), np.array([1, 4, 6])
        assert isinstance(client.ask(Predict("sage", name, which), 20), Predicted)
        salient = client.ask(Saliency("mint", name, which, "occlusion", 7, 4), 20)
        assert isinstance(salient, Salient)
        # The two were made of the same weights, so they look alike.
        scored = client.ask(Score("sage", name, which, "occlusion", salient.maps), 20)
        assert isinstance(scored, Scored) and scored.closeness == pytest.approx(1.0, abs=1e-3)


def test_every_refusal_has_its_code(gateway: Started, make_teacher: Make, items: Any) -> None:
    with client_of(gateway(make_teacher(policy=POLICY))) as client:
        name = offer(client, "mint", items)
        one = np.array([0])
        asked = {
            "unknown-teacher": Predict("sage", name, one),
            "unknown-set": Predict("mint", "0" * 64, one),
            "indices": Predict("mint", name, np.array([10])),
            "method": Saliency("mint", name, one, "nonesuch", 7, 4),
            "refused": Saliency("mint", name, one, "occlusion", 8, 4),
        }
        assert {code: _code(client.ask(request, 20)) for code, request in asked.items()} == {
            code: code for code in asked
        }


def test_the_status_and_the_code_travel(gateway: Started, make_teacher: Make) -> None:
    address = gateway(make_teacher()).address
    with grpc.insecure_channel(address) as channel:
        for name, status, code in (
            ("Predict", grpc.StatusCode.INVALID_ARGUMENT, "malformed"),
            ("Offer", grpc.StatusCode.INVALID_ARGUMENT, "malformed"),
        ):
            multi = channel.unary_stream if CALLS[name].streams else channel.unary_unary
            with pytest.raises(grpc.RpcError) as error:
                list(multi(CALLS[name].path)(b"", timeout=20))
            assert error.value.code() is status
            assert (CODE, code) in [tuple(pair) for pair in error.value.trailing_metadata()]
            assert "does not say what such a question must say" in error.value.details()
        with pytest.raises(grpc.RpcError) as error:
            channel.unary_unary(f"/{SERVICE}/Weights")(b"", timeout=20)
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_without_a_policy_only_the_card_is_shown(
    gateway: Started, make_teacher: Make, items: np.ndarray
) -> None:
    with client_of(gateway(make_teacher())) as client:
        found = client.ask(Describe(), 20)
        assert isinstance(found, Described)
        assert found.cards[0].terms is not None and found.cards[0].terms.limits == ()
        asked = Predict("mint", "0" * 64, np.array([0]))
        assert _code(client.ask(asked, 20)) in ("coordinator", "refused")


def test_health_tells_when_it_is_ready(gateway: Started, make_slow: Any) -> None:
    one = gateway(make_slow("Late"), ready=False)
    with grpc.insecure_channel(one.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        asked = [health_pb2.HealthCheckRequest(service=name) for name in ("", SERVICE)]
        assert [stub.Check(a, timeout=20).status for a in asked] == [OK.NOT_SERVING] * 2
        watch = stub.Watch(asked[1], timeout=30)
        assert next(watch).status == OK.NOT_SERVING
        with client_of(one, patience=0) as client:
            assert _code(client.ask(Describe(), 20)) == "starting"
            with ThreadPoolExecutor(1) as pool, client_of(one) as patient:
                waiting = pool.submit(patient.ask, Describe(), 30)
                slow_models.LOADING.set()
                assert isinstance(waiting.result(), Described)
            assert next(watch).status == OK.SERVING
            assert [stub.Check(a, timeout=20).status for a in asked] == [OK.SERVING] * 2
        stopping = threading.Thread(target=one.stop, args=(60.0,))
        stopping.start()
        assert next(watch).status == OK.NOT_SERVING
        stopping.join(20)  # it does not wait for who only watches
        assert not stopping.is_alive()


def test_a_model_that_cannot_be_loaded_is_a_fault_of_the_start(
    gateway: Started, make_slow: Any
) -> None:
    path = make_slow("nonesuch")
    one = gateway(path, ready=False)
    assert one.settled.wait(30)
    assert isinstance(one.fault, TeacherFileError) and "nonesuch" in str(one.fault)
    assert _code(ask(Target(one.address), Describe(), 20, patience=0)) == "starting"


def test_beyond_the_calls_admitted_it_is_busy(gateway: Started, make_slow: Any) -> None:
    one = gateway(make_slow("Slow"), admitted=1)
    with client_of(one, patience=0) as client, ThreadPoolExecutor(2) as pool:
        name = offer(client, "mint", _items(4))
        first = pool.submit(client.ask, Predict("mint", name, np.array([0])), 30)
        assert slow_models.STARTED.wait(20)
        assert _code(client.ask(Describe(), 20)) == "busy"
        with client_of(one) as patient:
            second = pool.submit(patient.ask, Describe(), 30)
            slow_models.GATE.set()
            assert isinstance(first.result(), Predicted)
            assert isinstance(second.result(), Described)


BATCHES = 20


@pytest.mark.parametrize("how", ["cancelled", "deadline"])
def test_a_call_that_nobody_waits_for_ends_before_its_next_forward_pass(
    gateway: Started, make_slow: Any, how: str
) -> None:
    one = gateway(make_slow("Slow"), admitted=1)
    with client_of(one) as client:
        name = offer(client, "mint", _items(256 * BATCHES))
        asked = Predict("mint", name, np.arange(256 * BATCHES))
        if how == "deadline":
            reply = client.ask(asked, 1.0)
            assert _code(reply) == "cancelled"
            assert slow_models.STARTED.wait(20)
        else:
            with grpc.insecure_channel(one.address) as channel:
                call = channel.unary_stream(CALLS["Predict"].path)
                running = call(write_request(asked).SerializeToString(), timeout=60)
                assert slow_models.STARTED.wait(20)
                running.cancel()
                time.sleep(0.3)  # for the cancellation to arrive
        slow_models.GATE.set()
        # The only place is free again once the call has ended.
        assert isinstance(client.ask(Describe(), 20), Described)
        assert 1 <= len(slow_models.PASSES) < BATCHES // 2


def test_a_stop_lets_what_is_under_way_finish(gateway: Started, make_slow: Any) -> None:
    one = gateway(make_slow("Slow"))
    path = Path(one.address.removeprefix("unix://"))
    with client_of(one, patience=0) as client, ThreadPoolExecutor(2) as pool:
        name = offer(client, "mint", _items(4))
        first = pool.submit(client.ask, Predict("mint", name, np.array([0])), 30)
        assert slow_models.STARTED.wait(20)
        stopping = pool.submit(one.stop, 20.0)
        # Until it takes no further calls; one that comes while it closes may never be heard.
        while not isinstance(client.ask(Describe(), 1), Failure):
            time.sleep(0.01)
        assert not first.done() and not stopping.done()
        slow_models.GATE.set()
        assert isinstance(first.result(), Predicted)
        stopping.result()
    assert not path.exists()


def test_a_stop_without_grace_cancels(gateway: Started, make_slow: Any) -> None:
    one = gateway(make_slow("Slow"))
    with client_of(one, patience=0) as client, ThreadPoolExecutor(2) as pool:
        name = offer(client, "mint", _items(4))
        first = pool.submit(client.ask, Predict("mint", name, np.array([0])), 30)
        assert slow_models.STARTED.wait(20)
        stopping = pool.submit(one.stop, 60.0)
        one.hurry()
        assert _code(first.result()) in ("unreachable", "cancelled")
        slow_models.GATE.set()
        stopping.result()


def test_many_callers_get_what_one_gets(gateway: Started, make_teacher: Make) -> None:
    items = _items(600)
    with client_of(gateway(make_teacher(policy=POLICY))) as client:
        name = offer(client, "mint", items)
        whole = client.ask(Predict("mint", name, np.arange(600)), 60)
        rng = np.random.default_rng(2)
        questions = [rng.choice(600, size=rng.integers(1, 90), replace=False) for _ in range(60)]
        with ThreadPoolExecutor(16) as pool:
            asked = [Predict("mint", name, which) for which in questions]
            replies = list(pool.map(lambda one: client.ask(one, 60), asked))
    for which, reply in zip(questions, replies, strict=True):
        assert isinstance(reply, Predicted)
        assert np.array_equal(reply.answers.values, whole.answers.values[which])


def test_too_large_messages_are_refused_on_both_sides(gateway: Started, make_teacher: Make) -> None:
    one = gateway(make_teacher(policy=POLICY))
    item = np.zeros((1, MESSAGE_BYTES + 1), np.uint8)
    large = Offer("mint", "0" * 64, "uint8", (1, item.shape[1]), 0, item)
    with client_of(one) as client:
        assert _code(client.ask(large, 20)) == "shape"
        middle = np.zeros((1, 5 * 2**20), np.uint8)  # one item, over what a chunk may have
        offered = Offer("mint", "0" * 64, "uint8", (1, middle.shape[1]), 0, middle)
        assert _code(client.ask(offered, 20)) == "malformed"
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(one.address, options=options) as channel:
        with pytest.raises(grpc.RpcError) as error:
            channel.unary_unary(CALLS["Offer"].path)(bytes(MESSAGE_BYTES + 1), timeout=20)
        assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert isinstance(ask(Target(one.address), Describe(), 20), Described)


def test_what_is_not_there_is_unreachable(short: Path) -> None:
    for target in (Target(f"unix://{short}/gone.sock"), Target("unix:relative")):
        assert _code(ask(target, Describe(), 5, patience=0.3)) == "unreachable"
    assert _code(ask(Target("localhost:1"), Describe(), 5)) == "no-teacher"


def test_the_client_takes_no_sentence_and_no_unfitting_code_from_the_wire(short: Path) -> None:
    """A gateway that lies gets its reply replaced, whatever it says."""

    def refuse(status: grpc.StatusCode, code: str) -> Any:
        def handle(data: bytes, context: Any) -> Any:
            context.set_trailing_metadata(((CODE, code),))
            context.abort(status, "SECRET /srv/private")

        return handle

    found = {}
    for number, (status, code) in enumerate(
        [
            (grpc.StatusCode.RESOURCE_EXHAUSTED, "budget"),
            (grpc.StatusCode.RESOURCE_EXHAUSTED, "coffee"),
            (grpc.StatusCode.INTERNAL, "budget"),
            (grpc.StatusCode.UNIMPLEMENTED, "model"),
        ]
    ):
        server = grpc.server(ThreadPoolExecutor(1))
        handler = grpc.unary_stream_rpc_method_handler(refuse(status, code))
        generic = grpc.method_handlers_generic_handler(SERVICE, {"Describe": handler})
        server.add_generic_rpc_handlers((generic,))
        server.add_insecure_port(f"unix:{short}/{number}.sock")
        server.start()
        with Client(Target(f"unix:{short}/{number}.sock"), patience=0) as client:
            reply = client.ask(Describe(), 20)
        server.stop(None)
        assert "SECRET" not in repr(reply)
        found[status, code] = _code(reply)
    assert list(found.values()) == ["budget", "busy", "internal", "internal"]
