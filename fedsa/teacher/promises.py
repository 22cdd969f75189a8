"""Work that one thread promises and another does, and what becomes of it if nobody waits."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillRunning
from typing import Any, TypeVar

from fedsa.teacher.faults import Fault

_LOOK = 0.02  # seconds between looks at whether a caller that waits has withdrawn

_T = TypeVar("_T")


def never() -> bool:
    """Say that nobody has withdrawn."""
    return False


def begins(future: Future[Any], cancelled: Callable[[], bool]) -> bool:
    """Whether the one who waits for a future is still there."""
    if not future.set_running_or_notify_cancel():
        return False
    try:
        withdrawn = cancelled()
    except Exception as error:
        future.set_exception(error)
        return False
    if withdrawn:
        future.set_exception(Fault("cancelled"))
    return not withdrawn


def finish(future: Future[Any], function: Callable[[], Any]) -> None:
    """Do the work of a future that has begun; whatever it raises goes to who waits."""
    try:
        future.set_result(function())
    except BaseException as error:  # a model is anybody's code, and no caller may wait for ever
        future.set_exception(error)


def settle(future: Future[Any], cancelled: Callable[[], bool], function: Callable[[], Any]) -> None:
    """Do the work of a future, unless nobody waits for it any more."""
    if begins(future, cancelled):
        finish(future, function)


def result(future: Future[_T], cancelled: Callable[[], bool]) -> _T:
    """Wait for a future, for as long as the caller has not withdrawn.

    Raises
    ------
    Fault
        ``cancelled``, if it had not begun by then.
    Exception
        What the work raised.
    """
    while True:
        try:
            return future.result(_LOOK if cancelled is not never else None)
        except StillRunning:
            if future.done():  # just now, or the work itself raised this
                return future.result()
            if cancelled() and future.cancel():
                raise Fault("cancelled") from None
