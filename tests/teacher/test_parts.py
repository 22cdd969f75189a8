"""What lies of a set that is on its way: each item once, whatever is sent and killed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedsa.data.transfer import content_hash
from fedsa.messages import Offer
from fedsa.teacher import parts
from fedsa.teacher.faults import Fault
from fedsa.teacher.parts import Part, read

ITEMS = np.random.default_rng(5).normal(size=(20, 3)).astype(np.float32)


@pytest.fixture
def part(tmp_path: Path) -> Part:
    return Part.of(Offer("mint", content_hash(ITEMS), "float32", ITEMS.shape), tmp_path)


def _items(part: Part) -> int:
    return sum(len(read(file)) for file in part.folder.iterdir())


def test_chunks_that_overlap_add_up_to_the_set_and_no_more(part: Part, tmp_path: Path) -> None:
    orders = np.random.default_rng(0)
    for stop in orders.permutation(np.arange(1, 20)):
        part.keep(0, ITEMS[:stop])
    assert part.held == _items(part) == 19
    for start in range(20):
        part.keep(start, ITEMS[start : start + 5])
    assert part.held == _items(part) == 20
    assert sum(file.stat().st_size for file in part.folder.iterdir()) <= part.room
    assert part.assemble(tmp_path / "whole.npy")
    assert np.array_equal(read(tmp_path / "whole.npy"), ITEMS)


def test_what_is_held_is_what_begins_without_a_gap(part: Part) -> None:
    assert part.held == 0
    for start, stop, held in ((4, 6, 0), (9, 20, 0), (0, 3, 3), (3, 4, 6), (5, 10, 20)):
        part.keep(start, ITEMS[start:stop])
        assert part.held == held


def test_a_set_does_not_come_in_endless_chunks(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MOST", 3)
    for start in (0, 2, 4):
        part.keep(start, ITEMS[start : start + 1])
    with pytest.raises(Fault, match="room"):
        part.keep(6, ITEMS[6:7])
    assert _items(part) == 3


def test_a_chunk_that_a_power_cut_left_empty_is_no_part_of_the_set(
    part: Part, tmp_path: Path
) -> None:
    part.keep(0, ITEMS[:10])
    part.keep(10, ITEMS[10:])
    (part.folder / "0-10.npy").write_bytes(b"")
    assert not part.assemble(tmp_path / "whole.npy")
    assert not list(tmp_path.rglob("whole.npy")) and not list(tmp_path.rglob("*.tmp"))


def test_what_a_kill_left_half_written_is_written_over(part: Part) -> None:
    part.folder.mkdir()
    (part.folder / "aside.tmp").write_bytes(b"half of a chunk")
    part.keep(0, ITEMS)
    assert [file.name for file in part.folder.iterdir()] == ["0-20.npy"]
