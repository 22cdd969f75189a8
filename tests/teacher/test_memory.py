"""Too large a portion is halved, done again, and the smaller size is kept."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedsa.teacher.memory import Portions, is_out_of_memory, keep_freed

ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    MemoryError(),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_of_memory(error: Exception) -> None:
    assert is_out_of_memory(error)


def test_onnx_runtimes_error_of_memory() -> None:
    state = pytest.importorskip("onnxruntime.capi.onnxruntime_pybind11_state")
    said = "Failed to allocate memory for requested buffer of size 4294967296"
    assert is_out_of_memory(state.RuntimeException(said))
    assert not is_out_of_memory(state.RuntimeException("Got invalid dimensions for input"))


def test_other_errors_are_none_of_memory() -> None:
    for error in (RuntimeError("shapes differ"), ValueError("out of memory"), KeyError("x")):
        assert not is_out_of_memory(error)


@given(items=st.integers(0, 200), size=st.integers(1, 64), room=st.integers(1, 64))
def test_every_item_is_done_once_and_in_order(items: int, size: int, room: int) -> None:
    portions, tried = Portions(size), []

    def work(start: int, stop: int) -> list[int]:
        tried.append(stop - start)
        if stop - start > room:
            raise torch.OutOfMemoryError("out of memory")
        return list(range(start, stop))

    found = portions.run(work, items)
    assert [item for part in found for item in part] == list(range(items))
    assert portions.size <= size and (portions.size == size or 2 * portions.size <= size)
    if items > room and size > room:
        assert room / 2 - 1 < portions.size <= room
    tried.clear()
    portions.run(work, items)
    assert all(count <= room for count in tried)  # it does not try again what failed


def test_a_single_item_that_does_not_fit_fails() -> None:
    def work(start: int, stop: int) -> None:
        raise MemoryError

    portions = Portions(8)
    with pytest.raises(MemoryError):
        portions.run(work, 5)
    assert portions.size == 1


def test_what_a_failed_portion_held_is_let_go() -> None:
    import weakref

    held: list[weakref.ref[torch.Tensor]] = []

    def work(start: int, stop: int) -> int:
        assert all(one() is None for one in held)
        if stop - start > 2:
            block = torch.zeros(stop - start)
            held.append(weakref.ref(block))
            raise torch.OutOfMemoryError("out of memory")
        return stop - start

    assert sum(Portions(8).run(work, 8)) == 8 and len(held) == 2


def test_keeping_freed_memory_is_safe_to_ask_for_again() -> None:
    keep_freed()
    keep_freed()
    assert float(torch.zeros(2**20).sum()) == 0.0
