"""Callers in many threads share passes: everyone gets their own, nobody waits for nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedsa.teacher import batching
from fedsa.teacher.batching import Batcher
from fedsa.teacher.faults import Fault
from fedsa.teacher.promises import never
from fedsa.teacher.teacher import Teacher
from tests.teacher.faulty_models import LIMIT

Make = Callable[..., Path]


class Model:
    """A model that notes its passes, and that a test can hold in one."""

    def __init__(self) -> None:
        self.passes: list[list[float]] = []
        self.inside = threading.Event()
        self.go = threading.Event()
        self.go.set()
        self.at_once = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, inputs: Tensor) -> Tensor:
        with self._lock:
            self.passes.append(inputs[:, 0].tolist())
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        self.inside.set()
        assert self.go.wait(20)
        with self._lock:
            self.at_once -= 1
        if bool((inputs < 0).any()):
            raise ValueError("a negative item")
        return inputs * 2

    def hold(self) -> None:
        self.inside.clear()
        self.go.clear()


def ask(batcher: Batcher, values: list[float], cancelled: Callable[[], bool] = never):
    inputs = torch.tensor(values)[:, None]
    return batcher.ask(lambda start, stop: inputs[start:stop], len(values), cancelled)[
        :, 0
    ].tolist()


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def waiting(batcher: Batcher, count: int) -> None:
    """Return once so many callers are in the queue."""
    for _ in range(4000):
        if len(batcher._asked) == count:
            return
        threading.Event().wait(0.005)
    raise AssertionError(f"{len(batcher._asked)} wait, not {count}")


def test_a_lone_caller_runs_at_once() -> None:
    model = Model()
    batcher = Batcher(model, 8, wait=1000.0)  # a window that would outlast the test
    with batcher.caller():
        assert ask(batcher, [1, 2]) == [2, 4]
        assert ask(batcher, [3]) == [6]
    assert model.passes == [[1, 2], [3]]


def test_those_who_come_during_a_pass_run_together_in_order(callers: ThreadPoolExecutor) -> None:
    model = Model()
    batcher = Batcher(model, 4)
    model.hold()
    results = [callers.submit(ask, batcher, [0.0])]
    assert model.inside.wait(20)
    for place, values in enumerate(([1, 2], [3], [4, 5], [6])):
        results.append(callers.submit(ask, batcher, [float(value) for value in values]))
        waiting(batcher, place + 1)
    model.go.set()
    found = [result.result(20) for result in results]
    assert found == [[0], [2, 4], [6], [8, 10], [12]]
    assert model.passes == [[0], [1, 2, 3], [4, 5, 6]]  # a batch of four, nobody overtakes


def test_a_pass_waits_for_another_caller_under_way(callers: ThreadPoolExecutor) -> None:
    model = Model()
    batcher = Batcher(model, 8, wait=1000.0)
    with batcher.caller(), batcher.caller():
        first = callers.submit(ask, batcher, [1.0])
        waiting(batcher, 1)
        assert not model.passes
        second = callers.submit(ask, batcher, [2.0])
        assert (first.result(20), second.result(20)) == ([2], [4])
    assert model.passes == [[1, 2]]


def test_the_window_closes_and_a_caller_who_leaves_is_not_waited_for(
    callers: ThreadPoolExecutor,
) -> None:
    model = Model()
    batcher = Batcher(model, 8, wait=0.05)
    with batcher.caller(), batcher.caller():
        assert ask(batcher, [1.0]) == [2]
    slow = Batcher(model, 8, wait=1000.0)
    with slow.caller():
        with slow.caller():
            first = callers.submit(ask, slow, [1.0])
            waiting(slow, 1)
        assert first.result(20) == [2]


def test_a_full_batch_does_not_wait(callers: ThreadPoolExecutor) -> None:
    model = Model()
    batcher = Batcher(model, 2, wait=1000.0)
    with batcher.caller(), batcher.caller():
        assert ask(batcher, [1, 2]) == [2, 4]
        assert ask(batcher, [1, 2, 3, 4, 5]) == [2, 4, 6, 8, 10]
    assert model.passes[1:] == [[1, 2], [3, 4], [5]]


def test_an_error_reaches_only_whom_it_concerns(callers: ThreadPoolExecutor) -> None:
    model = Model()
    batcher = Batcher(model, 8)
    model.hold()
    first = callers.submit(ask, batcher, [0.0])
    assert model.inside.wait(20)
    good = callers.submit(ask, batcher, [1.0])
    waiting(batcher, 1)
    bad = callers.submit(ask, batcher, [-1.0])
    waiting(batcher, 2)
    model.go.set()
    assert first.result(20) == [0] and good.result(20) == [2]
    with pytest.raises(ValueError, match="a negative item"):
        bad.result(20)
    assert model.passes == [[0], [1, -1], [1], [-1]]
    assert ask(batcher, [5.0]) == [10]


def test_items_that_cannot_be_loaded_concern_their_caller_only(
    callers: ThreadPoolExecutor,
) -> None:
    model = Model()
    batcher = Batcher(model, 8)
    model.hold()
    first = callers.submit(ask, batcher, [0.0])
    assert model.inside.wait(20)

    def broken(start: int, stop: int) -> Tensor:
        raise SystemExit("a reader that gives up")

    bad = callers.submit(batcher.ask, broken, 1)
    waiting(batcher, 1)
    good = callers.submit(ask, batcher, [1.0])
    waiting(batcher, 2)
    model.go.set()
    assert first.result(20) == [0] and good.result(20) == [2]
    assert isinstance(bad.exception(20), SystemExit)


def test_who_has_withdrawn_is_dropped_before_the_pass(callers: ThreadPoolExecutor) -> None:
    model = Model()
    batcher = Batcher(model, 8)
    model.hold()
    first = callers.submit(ask, batcher, [0.0])
    assert model.inside.wait(20)
    gone = threading.Event()
    left = callers.submit(ask, batcher, [1.0], gone.is_set)
    waiting(batcher, 1)
    stays = callers.submit(ask, batcher, [2.0])
    waiting(batcher, 2)
    gone.set()
    with pytest.raises(Fault, match="cancelled"):  # while the model is still busy
        left.result(20)
    model.go.set()
    assert first.result(20) == [0] and stays.result(20) == [4]
    assert model.passes == [[0], [2]]
    with pytest.raises(Fault, match="cancelled"):
        ask(batcher, [9.0], lambda: True)
    assert [9] not in model.passes


def test_a_broken_check_for_withdrawal_is_its_callers_own(callers: ThreadPoolExecutor) -> None:
    batcher = Batcher(Model(), 8)

    def broken() -> bool:
        raise KeyError("x")

    with pytest.raises(KeyError):
        ask(batcher, [1.0], broken)
    assert ask(batcher, [1.0]) == [2]


def test_work_alone_has_the_model_to_itself(callers: ThreadPoolExecutor) -> None:
    model = Model()
    batcher = Batcher(model, 2, concurrency=3)
    beside: list[int] = []

    def alone() -> int:
        beside.append(model.at_once)
        threading.Event().wait(0.01)
        beside.append(model.at_once)
        return 7

    answers = [callers.submit(ask, batcher, [float(number)]) for number in range(12)]
    jobs = [callers.submit(batcher.run, alone, never, True) for _ in range(4)]
    answers += [callers.submit(ask, batcher, [float(number)]) for number in range(12, 24)]
    assert [job.result(20) for job in jobs] == [7] * 4
    assert [answer.result(20)[0] for answer in answers] == [2.0 * n for n in range(24)]
    assert beside == [0] * 8 and model.most <= 3


def test_passes_come_between_the_steps_of_longer_work(callers: ThreadPoolExecutor) -> None:
    model = Model()
    batcher = Batcher(model, 2)
    held = threading.Event()

    def long() -> list[float]:
        first = batcher.step(torch.ones(2, 1))
        held.set()
        waiting(batcher, 1)
        return torch.cat([first, batcher.step(torch.full((3, 1), 3.0))])[:, 0].tolist()

    work = callers.submit(batcher.run, long)
    assert held.wait(20)
    quick = callers.submit(ask, batcher, [9.0])
    assert quick.result(20) == [18] and work.result(20) == [2, 2, 6, 6, 6]
    assert model.passes == [[1, 1], [9], [3, 3], [3]]


def test_longer_work_stops_between_its_steps_when_its_caller_has_withdrawn() -> None:
    model = Model()
    batcher = Batcher(model, 2)
    gone = threading.Event()

    def long() -> Tensor:
        batcher.step(torch.ones(2, 1), gone.is_set)
        gone.set()
        return batcher.step(torch.ones(2, 1), gone.is_set)

    with pytest.raises(Fault, match="cancelled"):
        batcher.run(long, gone.is_set)
    assert len(model.passes) == 1
    assert ask(batcher, [1.0]) == [2]


def test_no_more_passes_at_once_than_allowed(callers: ThreadPoolExecutor) -> None:
    model = Model()
    batcher = Batcher(model, 1, concurrency=2)
    model.hold()
    results = [callers.submit(ask, batcher, [float(number)]) for number in range(6)]
    waiting(batcher, 4)
    for _ in range(4000):  # the two that do not wait may not have reached the model yet
        if model.at_once == 2:
            break
        threading.Event().wait(0.005)
    model.go.set()
    assert [result.result(20)[0] for result in results] == [2.0 * number for number in range(6)]
    assert model.most == 2


def test_threads_end_when_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "IDLE", 0.01)
    batcher = Batcher(Model(), 4, concurrency=2)
    for number in range(3):
        assert ask(batcher, [float(number)]) == [2 * number]
        for _ in range(2000):
            if not batcher._workers:
                break
            threading.Event().wait(0.005)
        assert batcher._workers == 0


def test_a_pass_has_the_threads_it_was_promised() -> None:
    seen: list[int] = []

    def model(inputs: Tensor) -> Tensor:
        seen.append(torch.get_num_threads())
        return inputs

    torch.set_num_threads(1)
    ask(Batcher(model, 4), [1.0])
    ask(Batcher(model, 4, threads=3), [1.0])
    ask(Batcher(model, 4), [1.0])
    assert seen == [1, 3, 1] and torch.get_num_threads() == 1


@settings(max_examples=30, deadline=None)
@given(
    data=st.lists(
        st.lists(st.lists(st.integers(-1, 50), min_size=1, max_size=9), max_size=4), max_size=6
    ),
    batch=st.integers(1, 12),
    concurrency=st.integers(1, 3),
    room=st.integers(1, 12),
)
def test_everyone_gets_their_own(
    data: list[list[list[int]]], batch: int, concurrency: int, room: int
) -> None:
    """Whatever is asked at once, with a model that fails on some items and on large passes."""

    def model(inputs: Tensor) -> Tensor:
        if len(inputs) > room:
            raise torch.OutOfMemoryError("out of memory")
        if bool((inputs < 0).any()):
            raise ValueError("a negative item")
        return inputs * 2

    batcher = Batcher(model, batch, wait=0.0005, concurrency=concurrency)

    def one(questions: list[list[int]]) -> list[object]:
        found: list[object] = []
        with batcher.caller():
            for question in questions:
                try:
                    found.append(ask(batcher, [float(value) for value in question]))
                except ValueError as error:
                    found.append(str(error))
        return found

    with ThreadPoolExecutor(max(1, len(data))) as pool:
        found = list(pool.map(one, data))
    for questions, answers in zip(data, found, strict=True):
        for question, answer in zip(questions, answers, strict=True):
            good = [2.0 * value for value in question]
            assert answer == (good if min(question) >= 0 else "a negative item")
    with batcher._state:  # the last to be answered may be back before the pass is put away
        assert batcher._state.wait_for(lambda: not batcher._running, 20)
        assert batcher._callers == batcher._served == 0 and not batcher._asked


def test_a_teachers_answers_do_not_depend_on_the_company(
    make_teacher: Make, callers: ThreadPoolExecutor
) -> None:
    teacher = Teacher.load(make_teacher(compute={"batch": 32, "wait-ms": 5.0}))
    items = np.random.default_rng(0).integers(0, 256, (120, 1, 12, 12), dtype=np.uint8)
    wanted, look = teacher.logits(items), teacher.saliency(items[:6], "grad-cam")
    cuts = [(start, start + size) for size in (1, 7, 40) for start in range(0, 80, size)]
    answers = list(callers.map(lambda cut: teacher.logits(items[slice(*cut)]), cuts))
    for (start, stop), found in zip(cuts, answers, strict=True):
        assert np.allclose(found, wanted[start:stop], atol=1e-5)
    # And maps with hooks on the module, while others ask.
    mixed = [
        callers.submit(teacher.saliency, items[:6], "grad-cam")
        if number % 3 == 0
        else callers.submit(teacher.logits, items[number : number + 9])
        for number in range(24)
    ]
    for number, one in enumerate(mixed):
        right = look.numpy() if number % 3 == 0 else wanted[number : number + 9]
        assert np.allclose(np.asarray(one.result(60)), right, atol=1e-5)


def test_a_real_module_that_runs_out_of_memory(make_teacher: Make) -> None:
    model = {"factory": "tests.teacher.faulty_models:Large", "weights": "weights.safetensors"}
    teacher = Teacher.load(make_teacher(model=model, compute={"batch": 64}))
    plain = {**model, "factory": "tests.teacher.faulty_models:Linear"}
    same = Teacher.load(make_teacher("plain", model=plain))
    items = np.random.default_rng(0).integers(0, 256, (150, 1, 12, 12), dtype=np.uint8)
    assert np.allclose(teacher.logits(items), same.logits(items), atol=1e-5)
    assert LIMIT / 2 <= teacher._batcher.batch <= LIMIT
    for method in ("occlusion", "gradient-x-input"):
        found, wanted = teacher.saliency(items[:50], method), same.saliency(items[:50], method)
        assert torch.allclose(found, wanted, atol=1e-5)
