"""A teacher that is not the one it was, and nodes that come and go."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from fedsa.errors import ResumeError, RunError
from fedsa.messages import Failure
from fedsa.problem import Problem
from fedsa.runs.memory import Memory
from fedsa.strategy.exchange import Exchange
from fedsa.strategy.inquiry import Inquiry
from fedsa.strategy.post import Post
from tests.strategy.conftest import FIRST_NODE, LocalGrid, scenario


@pytest.fixture
def own_pool(pool: Path, tmp_path: Path) -> Path:
    """A copy of the pool whose teachers a test may change."""
    copied = tmp_path / "pools" / "own"
    shutil.copytree(pool, copied)
    return copied


def _exchange(failures: list[tuple[str, str]] | None = None) -> Exchange:
    kept = failures if failures is not None else []
    return Exchange(Post(5.0), lambda name, failure: kept.append((name, failure.code)))


def _retrain(teacher: Path) -> None:
    weights = load_file(teacher / "weights.safetensors")
    name = next(key for key, value in weights.items() if value.is_floating_point())
    weights[name] = weights[name] + 0.01
    save_file(weights, teacher / "weights.safetensors")
    (teacher / "teacher.toml").touch()


def _inquiry(problem: Problem, folder: Path) -> Inquiry:
    return Inquiry(problem, scenario(), folder, lambda event, **fields: None)


def test_a_run_is_not_resumed_with_another_teacher(
    problem: Problem, own_pool: Path, tmp_path: Path
) -> None:
    memory = Memory()
    _inquiry(problem, tmp_path / "a").enrol(LocalGrid(own_pool), memory)
    assert sorted(memory.fingerprints) == ["even", "high", "low"]
    _inquiry(problem, tmp_path / "a").enrol(LocalGrid(own_pool), memory)  # the same ones: fine
    _retrain(own_pool / "low")
    with pytest.raises(ResumeError, match="'low'.*start a new run"):
        _inquiry(problem, tmp_path / "a").enrol(LocalGrid(own_pool), memory)


def test_a_teacher_changed_while_away_is_noticed(
    problem: Problem, own_pool: Path, tmp_path: Path
) -> None:
    asking, memory, grid = _inquiry(problem, tmp_path / "a"), Memory(), LocalGrid(own_pool)
    asking.enrol(grid, memory)
    grid.gone.add(FIRST_NODE + 1)
    asking.enrol(grid, memory)
    assert asking.present == ["even", "low"]
    grid.gone.clear()
    asking.enrol(grid, memory)
    assert asking.present == ["even", "high", "low"]
    grid.gone.add(FIRST_NODE + 1)
    asking.enrol(grid, memory)
    _retrain(own_pool / "high")
    grid.gone.clear()
    with pytest.raises(ResumeError, match="'high'"):
        asking.enrol(grid, memory)


def test_a_restarted_client_has_a_new_node_for_the_same_teachers(pool: Path) -> None:
    class Restarted(LocalGrid):
        """The teachers of the first node have moved to the third."""

        def get_node_ids(self) -> list[int]:
            return [FIRST_NODE + n for n in range(4) if FIRST_NODE + n not in self.gone]

    grid = Restarted(pool, gone={FIRST_NODE + 2, FIRST_NODE + 3})
    exchange = _exchange()
    before = exchange.enrol(grid)
    assert exchange.nodes["even"] == FIRST_NODE
    grid.gone = {FIRST_NODE, FIRST_NODE + 3}
    # Node 13 of two partitions gets ids[2::2], which is 'low'; 'even' went with its node.
    assert exchange.enrol(grid) == ["high", "low"]
    assert exchange.nodes["low"] == FIRST_NODE + 2 and before == ["even", "high", "low"]


def test_two_nodes_may_not_offer_the_same_teacher(pool: Path) -> None:
    class Twice(LocalGrid):
        def get_node_ids(self) -> list[int]:
            return [FIRST_NODE, FIRST_NODE + 2]  # ids[0::2] and ids[2::2] both hold 'low'

    with pytest.raises(RunError, match="Two nodes offer a teacher called 'low'"):
        _exchange().enrol(Twice(pool))


def test_a_node_that_does_not_describe_itself_is_asked_again(pool: Path) -> None:
    failures: list[tuple[str, str]] = []
    exchange, grid = _exchange(failures), LocalGrid(pool)
    grid.fault = lambda asked, reply: None if asked.metadata.dst_node_id == FIRST_NODE else reply
    assert exchange.enrol(grid) == ["high"]
    assert failures == [(f"node-{FIRST_NODE}", "late")]
    grid.fault = None
    assert exchange.enrol(grid) == ["even", "high", "low"]


def test_the_first_node_is_waited_for(pool: Path) -> None:
    class Slow(LocalGrid):
        calls = 0

        def get_node_ids(self) -> list[int]:
            self.calls += 1
            return super().get_node_ids()[: self.calls - 1]

    assert _exchange().enrol(Slow(pool), wait=30.0) == ["even", "high", "low"]
    assert _exchange().enrol(Slow(pool), wait=0.0) == []


def test_a_teacher_whose_weights_are_broken_is_left_out(
    problem: Problem, own_pool: Path, tmp_path: Path
) -> None:
    (own_pool / "high" / "weights.safetensors").write_bytes(b"not weights")
    told: list[Failure] = []
    asking = Inquiry(
        problem,
        scenario(),
        tmp_path / "a",
        lambda event, **fields: told.append(fields["sentence"]) if event == "failure" else None,
    )
    asking.enrol(LocalGrid(own_pool), Memory())
    assert asking.present == ["even", "low"]
    assert str(own_pool) not in repr(told)
