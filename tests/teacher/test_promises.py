"""Who waits for another thread's work gets what becomes of it, or leaves."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from fedsa.teacher.faults import Fault
from fedsa.teacher.promises import begins, finish, never, result, settle


def _raise() -> None:
    raise TimeoutError("the work itself")


@pytest.mark.parametrize("cancelled", [never, lambda: False])
def test_what_the_work_gives_or_raises(cancelled: object) -> None:
    good: Future[int] = Future()
    settle(good, cancelled, lambda: 3)
    assert result(good, cancelled) == 3
    bad: Future[int] = Future()
    settle(bad, cancelled, _raise)
    with pytest.raises(TimeoutError, match="the work itself"):
        result(bad, cancelled)


def test_a_caller_leaves_only_what_has_not_begun() -> None:
    waiting: Future[int] = Future()
    with pytest.raises(Fault, match="cancelled"):
        result(waiting, lambda: True)
    done: list[int] = []
    settle(waiting, never, lambda: done.append(1))
    assert not done and waiting.cancelled()
    begun: Future[int] = Future()
    assert begins(begun, never)
    later = threading.Timer(0.05, finish, (begun, lambda: 4))
    later.start()
    assert result(begun, lambda: True) == 4
    later.join()


def test_who_left_is_told_and_the_work_is_not_done() -> None:
    future: Future[int] = Future()
    settle(future, lambda: True, lambda: 5)
    with pytest.raises(Fault, match="cancelled"):
        future.result(0)
