"""Inside the ServerApp: times rounds of questions and loops of the same forward passes in turn."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from fedsa.bench.figures import machine, megabytes, peak, spread
from fedsa.cache import cache
from fedsa.errors import RunError
from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.launcher.processes import MARK, marked
from fedsa.pools import pool_key
from fedsa.problem import Problem
from fedsa.runs.answers import AnswerStore
from fedsa.runs.folder import write_json
from fedsa.scenario import Scenario
from fedsa.selection.simple import All
from fedsa.strategy import Amalgamation, Wiring
from fedsa.teacher.teacher import Teacher


class Measured(Amalgamation):
    """Measures before its one round begins, and writes ``bench.json`` into the run's folder."""

    scenario: Scenario
    folder: Path

    def start(self, grid: Any, *arguments: Any, **options: Any) -> Any:
        """Measure, then go through one common round, so that the run ends like any other."""
        write_json(self.folder / "bench.json", self._measure(grid))
        return super().start(grid, num_rounds=1)

    def _measure(self, grid: Any) -> dict[str, Any]:
        begin = time.perf_counter()
        self.inquiry.enrol(grid, self.memory)
        startup = time.perf_counter() - begin
        present, wanted, repeats = self.inquiry.present, self.scenario.pool(), self.scenario.rounds
        if len(present) < len(wanted):
            raise RunError(f"Only {len(present)} of {len(wanted)} teachers are there.")
        actors = self.federation.actors
        paths = [_pool(self.scenario) / name / "teacher.toml" for name in present]
        inputs = np.ascontiguousarray(self.problem.transfer.array[self._asked])
        teachers = [Teacher.load(path) for path in paths]
        seconds: dict[str, list[float]] = {"round": [], "loop": [], "loop_processes": []}
        worked: dict[str, list[float]] = {name: [] for name in seconds}
        with ExitStack() as stack:
            loops = [
                stack.enter_context(ProcessPoolExecutor(1, mp_context=get_context("spawn")))
                for _ in range(actors)
            ]
            others = [
                loop.submit(_load, paths[place::actors], inputs).result()
                for place, loop in enumerate(loops)
            ]
            everyone = [psutil.Process(), *marked(os.environ.get(MARK, ""))]
            for repeat in range(repeats + 1):
                before = _worked(everyone)
                times = {"round": _timed(self._round, grid, repeat)}
                between = _worked(everyone)
                times["loop"] = _timed(_predict, teachers, inputs)
                after = _worked(everyone)
                times["loop_processes"] = _timed(_all, loops)
                work = {
                    "round": between - before,
                    "loop": after - between,
                    "loop_processes": _worked(everyone) - after,
                }
                if repeat:  # the first was the warm-up
                    for name, value in times.items():
                        seconds[name].append(value)
                    for name, value in work.items():
                        worked[name].append(value)
            memory = _memory(others)
        ratio = spread(_over(seconds["round"], seconds["loop"]), 3)
        return {
            "benchmark": "simulation",
            "teachers": len(wanted),
            "items": len(inputs),
            "repeats": repeats,
            "ratio": ratio["median"],
            "ratio_range": [ratio["min"], ratio["max"]],
            "ratio_to_loop_processes": spread(
                _over(seconds["round"], seconds["loop_processes"]), 3
            )["median"],
            # Processor time is counted in ticks, of which a small loop may take none at all.
            "ratio_of_processor_time": round(
                sum(worked["round"]) / max(0.01, sum(worked["loop"])), 3
            ),
            "seconds": {name: spread(values) for name, values in seconds.items()},
            "processor_seconds": {name: spread(values) for name, values in worked.items()},
            "what": {
                "round": f"{actors} actors of 1 thread; questions sent, answers checked and stored",
                "loop": f"one process of {torch.get_num_threads()} thread",
                "loop_processes": f"{actors} processes of 1 thread, teachers dealt out evenly",
            },
            "startup_seconds": round(startup, 3),
            "peak_memory_mb": memory,
            **machine(),
        }

    @property
    def _asked(self) -> np.ndarray:
        """The items asked about, ``(items,)`` int32."""
        return np.arange(self.selection.response_items, dtype=np.int32)

    def _round(self, grid: Any, repeat: int) -> None:
        """Ask every teacher about every item and store what it answers."""
        inquiry, asked = self.inquiry, self._asked
        # With a store of its own nothing is answered yet, so that all is asked again.
        inquiry.store = AnswerStore(self.folder / f"answers-{repeat}", len(self.problem.transfer))
        inquiry.ask(grid, inquiry.present, asked)
        missing = [one for one in inquiry.present if len(inquiry.store.missing(one, asked))]
        if missing:
            raise RunError(f"These teachers did not answer: {', '.join(missing)}.")


def recipe(problem: Problem, scenario: Scenario, wiring: Wiring) -> Measured:
    """Compose the strategy that measures.

    Timed, in turn, as often as the scenario has rounds: a *round* (one predict question to each
    teacher, all answers checked, decoded and stored), the *loop* (``Teacher.predict`` of the same
    teachers on the same items, one after the other, in this process), and the same loop dealt
    out over as many processes as the simulation has actors. Start-up, the transfer set's way to
    the teachers, and one warm-up of each are not timed.
    """
    strategy = Measured(
        problem,
        selector=All(scenario.selection),
        fusion=PrototypeFusion(scenario.fusion),
        options=scenario,
        wiring=wiring,
    )
    strategy.scenario, strategy.folder = scenario, wiring.folder
    return strategy


_MINE: tuple[list[Teacher], np.ndarray] | None = None
"""The teachers and items of a process that loops for comparison."""


def _load(paths: list[Path], inputs: np.ndarray) -> int:
    """Make a process ready to loop; return its id."""
    global _MINE
    torch.set_num_threads(1)
    _MINE = [Teacher.load(path) for path in paths], inputs
    return os.getpid()


def _loop() -> None:
    assert _MINE is not None
    _predict(*_MINE)


def _all(loops: Sequence[ProcessPoolExecutor]) -> None:
    for done in [loop.submit(_loop) for loop in loops]:
        done.result()


def _predict(teachers: Sequence[Teacher], inputs: np.ndarray) -> None:
    for teacher in teachers:
        teacher.predict(inputs)


def _timed(function: Callable[..., None], *arguments: Any) -> float:
    begin = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - begin


def _worked(processes: Sequence[psutil.Process]) -> float:
    """Return the processor time that these have taken so far, in seconds.

    On a machine that does other work too it tells more of the overhead than the clock.
    """
    total = 0.0
    for process in processes:
        with suppress(psutil.Error):
            spent = process.cpu_times()
            total += spent.user + spent.system
    return total


def _over(these: Sequence[float], those: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(these, those, strict=True)]


def _pool(scenario: Scenario) -> Path:
    return cache() / "pools" / pool_key(scenario)


def _memory(others: Sequence[int]) -> dict[str, int]:
    """Return the peak memory of the server, of the actors, and of all of the run's processes.

    ``others`` are the ids of processes that loop for comparison. Pages that processes share
    count in each, so the sum is an upper bound.
    """
    server = peak(psutil.Process())
    rest = [one for one in marked(os.environ.get(MARK, "")) if one.pid not in others]
    sizes: list[tuple[bool, int]] = []
    for process in rest:
        with suppress(psutil.Error):
            sizes.append(("ClientAppActor" in " ".join(process.cmdline()), peak(process)))
    return {
        "server": megabytes([server]),
        "actors": megabytes(size for actor, size in sizes if actor),
        "all_processes": megabytes([server, *(size for _, size in sizes)]),
    }
