"""``fedsa bench gateway``: questions through a gateway against the bare model, side by side.

The gateway is a process of its own on a unix socket, with a policy, a ledger, an audit log and an
answer cache on the disk. No item is asked about twice, so that nothing comes from the cache. The
bare model is the same module in this process, with the same batch and the same threads, from
uint8 items to probabilities or compact maps; the two take turns.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from fedsa import saliency
from fedsa.bench.figures import machine, spread
from fedsa.bench.served import SHAPE, Served, served, teacher_file
from fedsa.messages import Predict, Saliency
from fedsa.saliency.compact import compact
from fedsa.teacher.memory import keep_freed
from fedsa.teacher.policy.ledger import Purse
from fedsa.teacher.policy.office import Office
from fedsa.teacher.preprocessing import Scaled, fit
from fedsa.teacher.teacher import Teacher

BATCH = 256
_LOOKS = 16  # items of the least question about maps by perturbation, of some fifty passes each
_SECONDS = 1.0  # of a processor that one repetition of the bare model shall take
_MOST = {"predict": 16_384, "occlusion": 1024, "gradient-x-input": 4096}


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Parameters
    ----------
    models : tuple[str, ...]
        Architectures.
    repeats : int
        Repetitions of each of the two that are compared, after one that is not counted.
    most : int
        Items of one question at most.
    decisions : int
        Debits of the ledger.
    callers : tuple[int, ...]
        Concurrent callers, in turn.
    asked : int
        Questions in all at each number of callers.
    memory : tuple[int, int]
        Items after which the gateway's memory is looked at.
    """

    models: tuple[str, ...] = ("conv", "resnet8")
    repeats: int = 5
    most: int = 16_384
    decisions: int = 2000
    callers: tuple[int, ...] = (1, 8, 64)
    asked: int = 1280
    memory: tuple[int, int] = (10_000, 100_000)


def gateway(sizes: Sizes | None = None) -> dict[str, Any]:
    """Measure a gateway.

    Returns
    -------
    dict[str, Any]
        ``ratio`` is the least of the median ratios (gateway over bare model, in items a second).
    """
    sizes = sizes or Sizes()
    cuda = torch.cuda.is_available()
    device = "cuda" if cuda else "cpu"
    place = Path(tempfile.mkdtemp(prefix="fedsa-bench-"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        files = {name: teacher_file(place, name, device, 1) for name in sizes.models}
        with served(place, list(files.values())) as there:
            pairs = {name: _Pair(there, name, files[name], sizes) for name in sizes.models}
            speed = {name: pair.measure() for name, pair in pairs.items()}
            latency = _latency(pairs[sizes.models[0]], sizes)
        shutil.rmtree(place / "state")
        with served(place, [files[sizes.models[0]]]) as there:
            memory = _memory(there, sizes)
        ledger = _ledger(place / "ledger", sizes)
    finally:
        torch.set_num_threads(before)
        shutil.rmtree(place, ignore_errors=True)
    ratios = [kind["ratio"]["median"] for model in speed.values() for kind in model.values()]
    return {
        "benchmark": "gateway",
        "ratio": min(ratios),
        "models": speed,
        "latency_ms": latency,
        "ledger_decisions_per_second": ledger,
        "gateway_memory_mb": memory,
        "batch": BATCH,
        "threads": 1,
        "repeats": sizes.repeats,
        "device": torch.cuda.get_device_name(0) if cuda else "cpu",
        **machine(),
    }


class _Pair:
    """A teacher behind the gateway and the same model here, asked the same new items in turn."""

    def __init__(self, there: Served, name: str, file: Path, sizes: Sizes) -> None:
        self.there = there
        self.name = name
        self._sizes = sizes
        self._teacher = Teacher.load(file)
        module = self._teacher.backend.module
        assert module is not None
        self._module = Scaled(self._teacher._scale, module).eval()
        self._parted = _Parted(self._module)
        keep_freed()  # as in the gateway
        self._next = 0
        self._items = np.empty((0, *SHAPE), np.uint8)
        self.hash = ""

    def measure(self) -> dict[str, Any]:
        """Return, for answers and for maps of two methods, items a second and their ratio."""
        found = {"predict": self._side_by_side(self._predict, self._ask_predict, "predict")}
        for method in ("occlusion", "gradient-x-input"):
            found[method] = self._side_by_side(
                lambda items, method=method: self._maps(items, method),  # type: ignore[misc]
                lambda which, method=method: self._ask_maps(which, method),  # type: ignore[misc]
                method,
            )
        return found

    def fresh(self, count: int) -> None:
        """Bring ``count`` items to the gateway that it has never seen."""
        seed = sum(map(ord, self.name)) * 1000 + self._next
        rng = np.random.default_rng(seed)
        self._items = rng.integers(0, 256, (count, *SHAPE), dtype=np.uint8)
        self.hash = self.there.offer(self.name, self._items)
        self._next += 1

    def _side_by_side(
        self,
        bare: Callable[[np.ndarray], Any],
        ask: Callable[[np.ndarray], Any],
        what: str,
    ) -> dict[str, Any]:
        least = _LOOKS if what in saliency.QUERY_ONLY else BATCH
        trial = np.zeros((min(least, self._sizes.most), *SHAPE), np.uint8)
        bare(trial)
        start = self._worked()
        bare(trial)
        rate = len(trial) / max(0.01, self._worked() - start)
        whole = max(1, round(rate * _SECONDS / least)) * least
        count = min(whole, _MOST[what], self._sizes.most)
        repeats = self._sizes.repeats
        self.fresh(count * (repeats + 1))
        rates: dict[str, list[float]] = {"bare": [], "gateway": []}
        worked: dict[str, list[float]] = {name: [] for name in rates}
        for repeat in range(repeats + 1):
            which = np.arange(repeat * count, (repeat + 1) * count, dtype=np.int32)
            start = self._worked()
            seconds = {"bare": _timed(bare, self._items[which])}
            between = self._worked()
            seconds["gateway"] = _timed(ask, which)
            work = {"bare": between - start, "gateway": self._worked() - between}
            if repeat:  # the first was the warm-up
                for name in rates:
                    rates[name].append(count / seconds[name])
                    worked[name].append(work[name])
        ratios = [g / b for g, b in zip(rates["gateway"], rates["bare"], strict=True)]
        return {
            "ratio": spread(ratios, 3),
            # On a busy machine this one tells more; counted in ticks of 10 ms.
            "ratio_of_processor_time": round(
                sum(worked["bare"]) / max(0.01, sum(worked["gateway"])), 3
            ),
            "items_per_second": {name: spread(values, 1) for name, values in rates.items()},
            "items_a_question": count,
        }

    def _worked(self) -> float:
        """Return the processor seconds that both processes have used so far."""
        both = (psutil.Process().cpu_times(), self.there.process.cpu_times())
        return float(sum(times.user + times.system for times in both))

    def _predict(self, items: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(items), BATCH):
            inputs = fit(items[start : start + BATCH], SHAPE, self._teacher.backend.device)
            with torch.no_grad():
                parts.append(self._module(inputs).softmax(dim=1).cpu().numpy())
        return np.concatenate(parts)

    def _maps(self, items: np.ndarray, method: str) -> np.ndarray:
        card, parts = self._teacher.card, []
        for start in range(0, len(items), BATCH):
            inputs = fit(items[start : start + BATCH], SHAPE, self._teacher.backend.device)
            model = self._parted if method in saliency.QUERY_ONLY else self._module
            found = saliency.maps(method, model, inputs)
            parts.append(compact(found, card.grid, card.bits).values)
        return np.concatenate(parts)

    def _ask_predict(self, which: np.ndarray) -> None:
        self.there.ask(Predict(self.name, self.hash, which))

    def _ask_maps(self, which: np.ndarray, method: str) -> None:
        card = self._teacher.card
        self.there.ask(Saliency(self.name, self.hash, which, method, card.grid, card.bits))


class _Parted(nn.Module):
    """The bare model in passes of the same batch, without gradients, for methods that need none."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._model = model

    def forward(self, inputs: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([self._model(part) for part in torch.split(inputs, BATCH)])


def _latency(pair: _Pair, sizes: Sizes) -> dict[str, Any]:
    """Return milliseconds of a question about one new item, by number of concurrent callers."""
    found = {}
    for callers in sizes.callers:
        each = max(2, sizes.asked // callers)
        pair.fresh(callers * each)

        def work(caller: int, each: int = each) -> list[float]:
            first = caller * each
            return [
                1000 * _timed(pair._ask_predict, np.array([number], np.int32))
                for number in range(first, first + each)
            ]

        begin = time.perf_counter()
        with ThreadPoolExecutor(callers) as pool:
            times = [ms for part in pool.map(work, range(callers)) for ms in part]
        seconds = time.perf_counter() - begin
        found[str(callers)] = {
            "p50": round(float(np.percentile(times, 50)), 2),
            "p99": round(float(np.percentile(times, 99)), 2),
            "questions_per_second": round(callers * each / seconds, 1),
        }
    return found


def _memory(there: Served, sizes: Sizes) -> dict[str, Any]:
    """Return the gateway's memory after some and after many items, each asked about once."""
    name, done, found = sizes.models[0], 0, {}
    rng = np.random.default_rng(1)
    step = min(5000, sizes.memory[0])
    for count in sizes.memory:
        while done < count:
            items = rng.integers(0, 256, (min(step, count - done), *SHAPE), dtype=np.uint8)
            set_hash = there.offer(name, items)
            there.ask(Predict(name, set_hash, np.arange(len(items), dtype=np.int32)))
            done += len(items)
        whole, own = there.memory()
        found[str(count)] = {"resident": round(whole / 1e6, 1), "own": round(own / 1e6, 1)}
    return found


def _ledger(folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Return durable decisions a second: a debit and its record of the log in one transaction."""
    office = Office(folder)
    account = {"caller": "bench", "teacher": "conv", "call": "predict"}
    found = {}
    try:
        for threads in (1, 8):
            each = sizes.decisions // threads

            def work(_: int, each: int = each) -> None:
                for _ in range(each):
                    office.charge(1, 10**12, "ever", 0, Purse(), **account)

            with ThreadPoolExecutor(threads) as pool:
                seconds = _timed(lambda pool=pool, n=threads: list(pool.map(work, range(n))))
            found[str(threads)] = round(threads * each / seconds, 1)
    finally:
        office.close()
    return found


def _timed(function: Callable[..., Any], *arguments: Any) -> float:
    begin = time.perf_counter()
    function(*arguments)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin
