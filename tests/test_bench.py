"""The benchmarks print what they say; how fast the machine is, is no test's business."""

from __future__ import annotations

import copy
import json
import os
import re
from typing import Any

import psutil
import pytest
import torch
from torch import nn

from fedsa import bench
from fedsa.bench import figures
from fedsa.bench.clock import Clock, Clocked
from fedsa.bench.gateway import Sizes

RANGE = {"median", "min", "max"}


def _check_ratio(found: dict[str, Any]) -> None:
    low, high = found["ratio_range"]
    assert 0 < low <= found["ratio"] <= high
    assert json.loads(json.dumps(found)) == found


def test_spread_is_median_and_range() -> None:
    assert figures.spread([3.0, 1.0, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0}


def test_peak_is_at_least_what_was_once_held() -> None:
    held = bytearray(64 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    now = psutil.Process(os.getpid()).memory_info().rss
    del held
    assert figures.peak(psutil.Process()) >= now * 0.99


def test_the_clock_counts_steps_and_nothing_else() -> None:
    clock = Clock()
    module = Clocked(nn.Linear(2, 2), clock)
    averaged = copy.deepcopy(module)
    assert averaged.clock is clock
    module(torch.zeros(1, 2))
    with torch.no_grad():
        module(torch.zeros(1, 2))
    module.eval()(torch.zeros(1, 2))
    assert len(clock.began) == 1
    clock.began[:] = [0.0, 9.0, 1.0, 9.0, 2.0, 9.0, 3.0, 9.0]  # two passes a step
    assert clock.step(4) == 1.0


def test_student_measures_both_stages_against_a_plain_step() -> None:
    before = torch.get_num_threads()
    found = bench.student(steps=3, repeats=2, items=400)
    assert torch.get_num_threads() == before
    _check_ratio(found)
    assert (found["benchmark"], found["teachers"], found["steps"]) == ("student", 10, 3)
    assert set(found["milliseconds"]) == {"plain", "adapt", "prototypes"}
    assert all(set(value) == RANGE for value in found["milliseconds"].values())
    assert found["ratio_prototypes"] > 0 and found["peak_memory_mb"]["process"] > 50


def test_fusion_measures_all_teachers_and_a_few_among_them() -> None:
    before = torch.get_num_threads()
    found = bench.fusion(teachers=12, items=300, steps=8)
    assert torch.get_num_threads() == before
    _check_ratio(found)
    assert (found["teachers"], found["items"], found["selected"]) == (12, 300, 10)
    assert (found["labels"], found["answers"], found["steps"]) == (20, 60, 8)
    assert set(found["seconds"]) == {"beliefs", "whole"}
    assert set(found["milliseconds"]) == {"whole", "alone", "among others"}
    assert found["peak_memory_mb"]["process"] > 50


@pytest.mark.slow
def test_simulation_measures_a_real_round(capfd: pytest.CaptureFixture[str]) -> None:
    before = os.environ.get("FEDSA_CACHE")
    found = bench.simulation(teachers=2, items=8, repeats=1)
    assert os.environ.get("FEDSA_CACHE") == before
    assert capfd.readouterr().out == ""  # standard output is for the figures alone
    _check_ratio(found)
    assert (found["benchmark"], found["teachers"], found["items"]) == ("simulation", 2, 8)
    assert set(found["seconds"]) == {"round", "loop", "loop_processes"} == set(found["what"])
    assert all(set(value) == RANGE for value in found["seconds"].values())
    assert found["ratio_of_processor_time"] >= 0
    assert set(found["processor_seconds"]) == set(found["seconds"])
    memory = found["peak_memory_mb"]
    assert memory["all_processes"] >= memory["server"] + memory["actors"] > 100
    assert memory["actors"] > 50 and re.match(r"\d", found["torch"])


@pytest.mark.slow
def test_gateway_measures_a_process_of_its_own() -> None:
    sizes = Sizes(("conv",), 2, 32, 16, (1, 2), 8, (64, 128))
    found = bench.gateway(sizes)
    assert json.loads(json.dumps(found)) == found
    (model,) = found["models"].values()
    assert set(model) == {"predict", "occlusion", "gradient-x-input"}
    for kind in model.values():
        assert set(kind["ratio"]) == RANGE and kind["ratio"]["min"] > 0
        assert set(kind["items_per_second"]) == {"bare", "gateway"}
    assert found["ratio"] == min(kind["ratio"]["median"] for kind in model.values())
    assert set(found["latency_ms"]) == {"1", "2"}
    assert all(one["p99"] >= one["p50"] > 0 for one in found["latency_ms"].values())
    assert all(rate > 0 for rate in found["ledger_decisions_per_second"].values())
    assert set(found["gateway_memory_mb"]) == {"64", "128"}
    assert all(one["resident"] > 50 for one in found["gateway_memory_mb"].values())
