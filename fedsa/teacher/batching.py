"""Many callers, few forward passes: what is asked at the same time runs together.

A pass takes what waits, in order of arrival, up to the batch. It waits for more only if another
caller is under way and likely to ask at once, and never longer than the window. Longer work on
the same model (attribution maps) takes turns with the passes, and lets passes in between its own.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from fedsa.teacher.faults import Fault
from fedsa.teacher.memory import Portions, keep_freed
from fedsa.teacher.promises import begins, finish, never, result, settle

IDLE = 2.0
"""Seconds after which a thread without work ends."""

_T = TypeVar("_T")


@dataclass(eq=False)
class _Asked:
    """One caller's part of a pass: its items are loaded only when the pass begins."""

    load: Callable[[int, int], Tensor]
    items: int
    cancelled: Callable[[], bool]
    future: Future[Tensor] = field(default_factory=Future)


@dataclass(eq=False)
class _Job:
    """Work that is not merged with other work."""

    function: Callable[[], Any]
    cancelled: Callable[[], bool]
    exclusive: bool
    future: Future[Any] = field(default_factory=Future)


class Batcher:
    """Runs one model for many callers, on threads of its own.

    Threads of its own, since PyTorch keeps a team of threads and a GPU's workspaces for every
    thread that computes; they end when there is nothing to do.

    Parameters
    ----------
    forward : Callable[[Tensor], Tensor]
        One pass, without gradients: ``(n, *shape)`` to ``(n, ...)``.
    batch : int
        Items of one pass at most.
    wait : float
        Seconds that a pass may wait for other callers under way.
    concurrency : int
        Passes at once.
    threads : int
        CPU threads of one pass; 0: as many as the thread that makes this object has.
    """

    def __init__(
        self,
        forward: Callable[[Tensor], Tensor],
        batch: int,
        wait: float = 0.0,
        concurrency: int = 1,
        threads: int = 0,
    ) -> None:
        self._forward = forward
        self._portions = Portions(batch)
        self._wait = wait
        self._concurrency = concurrency
        self._threads = threads or torch.get_num_threads()
        self._state = threading.Condition()
        self._asked: deque[_Asked] = deque()
        self._jobs: deque[_Job] = deque()
        self._callers = 0  # under way, see caller()
        self._served = 0  # of them, in a pass that runs
        self._running = 0  # passes and jobs
        self._alone = False  # a job that must not run beside anything runs, or is about to
        self._turn = False  # whether it is a job's turn before a pass's
        self._workers = 0
        self._resting = 0

    @property
    def batch(self) -> int:
        """Items of one pass at most, as things stand."""
        return self._portions.size

    @contextmanager
    def caller(self) -> Iterator[None]:
        """Be under way: between its questions a pass waits for this caller, within the window."""
        with self._state:
            self._callers += 1
        try:
            yield
        finally:
            with self._state:
                self._callers -= 1
                self._state.notify_all()

    def ask(
        self,
        load: Callable[[int, int], Tensor],
        items: int,
        cancelled: Callable[[], bool] = never,
    ) -> Tensor:
        """Return what the model gives for a caller's items, in their order.

        Parameters
        ----------
        load : Callable[[int, int], Tensor]
            Returns the items from the first number up to the second; called in another thread
            when their pass begins, and again if memory runs out.
        items : int
            Their number.
        cancelled : Callable[[], bool]
            Whether the caller has withdrawn; looked at before the pass, in another thread.

        Raises
        ------
        Fault
            ``cancelled``.
        Exception
            What the model raises on these items alone.
        """
        asked = _Asked(load, items, cancelled)
        with self._state:
            self._asked.append(asked)
            self._call()
        return result(asked.future, cancelled)

    def run(
        self, function: Callable[[], _T], cancelled: Callable[[], bool] = never, alone: bool = False
    ) -> _T:
        """Return what other work on the model gives; in turn with the passes.

        Parameters
        ----------
        function : Callable[[], T]
            The work. Unless it runs alone it uses the model by :meth:`step` only.
        cancelled : Callable[[], bool]
            As for :meth:`ask`.
        alone : bool
            Whether nothing else may use the model meanwhile.

        Raises
        ------
        Fault
            ``cancelled``.
        Exception
            What the work raises.
        """
        job = _Job(function, cancelled, alone)
        with self._state:
            self._jobs.append(job)
            self._call()
        found: _T = result(job.future, cancelled)
        return found

    def step(self, inputs: Tensor, cancelled: Callable[[], bool] = never) -> Tensor:
        """Within work that runs, do passes; before each, let in one of those who wait.

        Raises
        ------
        Fault
            ``cancelled``.
        """

        def one(start: int, stop: int) -> Tensor:
            if cancelled():
                raise Fault("cancelled")
            with self._state:
                waiting = self._take()
            self._serve(waiting)
            return self._forward(inputs[start:stop])

        return torch.cat(self._portions.run(one, len(inputs)))

    def _call(self) -> None:
        """See to it that a thread does what was put into a queue; the state is held."""
        self._state.notify_all()
        if not self._resting and self._workers < self._concurrency:
            self._workers += 1
            threading.Thread(target=self._work, name="fedsa-model", daemon=True).start()

    def _work(self) -> None:
        keep_freed()
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        while True:
            with self._state:
                if not self._rest():
                    self._workers -= 1
                    return
                job = self._jobs.popleft() if self._jobs and self._is_job() else None
                if job is None:
                    self._fill()
                    if self._alone:  # since a moment of that waiting
                        continue
                    asked = self._take()
                elif job.exclusive:
                    self._alone = True
                    self._state.wait_for(lambda: not self._running)
                self._running += 1
            try:
                if job is None:
                    self._serve(asked)
                else:
                    settle(job.future, job.cancelled, job.function)
            finally:
                with self._state:
                    self._running -= 1
                    if job is not None and job.exclusive:
                        self._alone = False
                    self._state.notify_all()
            job, asked = None, []  # let go of what they hold while resting

    def _rest(self) -> bool:
        """Wait for work; False if none came for a while."""
        self._resting += 1
        end = time.monotonic() + IDLE
        try:
            while self._alone or not (self._asked or self._jobs):
                left = end - time.monotonic()
                if left <= 0 and not (self._asked or self._jobs):
                    return False
                self._state.wait(left if left > 0 else None)
            return True
        finally:
            self._resting -= 1

    def _is_job(self) -> bool:
        """Whether a job goes before a pass: by turns, if both wait."""
        self._turn = not self._turn
        return self._turn or not self._asked

    def _fill(self) -> None:
        """Wait until the batch is full, every caller under way has asked, or time is up."""
        end = time.monotonic() + self._wait
        while sum(asked.items for asked in self._asked) < self.batch:
            expected = self._callers - self._served - len(self._asked)
            left = end - time.monotonic()
            if expected <= 0 or left <= 0 or not self._asked:
                return
            self._state.wait(left)

    def _take(self) -> list[_Asked]:
        """Take who goes into the next pass, in order of arrival; the state is held."""
        taken: list[_Asked] = []
        room = self.batch
        while self._asked and (not taken or self._asked[0].items <= room):
            taken.append(self._asked.popleft())
            room -= taken[-1].items
        self._served += len(taken)
        return taken

    def _serve(self, taken: Sequence[_Asked]) -> None:
        """Run one pass for several callers; if it fails, one for each."""
        try:
            present = [asked for asked in taken if begins(asked.future, asked.cancelled)]
            if len(present) > 1:
                try:
                    whole = self._pass(present)
                    parts = torch.split(whole, [asked.items for asked in present])
                except BaseException:  # a model is anybody's code; whose fault it is shows below
                    parts = ()
                if parts:
                    for asked, part in zip(present, parts, strict=True):
                        asked.future.set_result(part)
                    return
            for asked in present:
                finish(asked.future, lambda asked=asked: self._pass([asked]))  # type: ignore[misc]
        finally:
            with self._state:
                self._served -= len(taken)

    def _pass(self, present: Sequence[_Asked]) -> Tensor:
        def one(start: int, stop: int) -> Tensor:
            parts, first = [], 0
            for asked in present:
                low, high = max(start - first, 0), min(stop - first, asked.items)
                if low < high:
                    parts.append(asked.load(low, high))
                first += asked.items
            return self._forward(parts[0] if len(parts) == 1 else torch.cat(parts))

        found = self._portions.run(one, sum(asked.items for asked in present))
        return found[0] if len(found) == 1 else torch.cat(found)
