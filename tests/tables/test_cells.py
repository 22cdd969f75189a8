"""A cell is known again by what is run, however it was written down."""

from __future__ import annotations

from pathlib import Path

from fedsa.scenario import parse
from fedsa.tables.cells import key, merged
from fedsa.tables.definition import load


def test_a_key_tells_what_is_run_and_nothing_else(small: Path) -> None:
    cells = load(small).cells
    runs = [cell.run(("fedsa",), "fedsa", seed) for cell in cells for seed in (0, 1)]
    assert len({key(run) for run in runs}) == 8
    assert key(parse(runs[3].document())) == key(runs[3])  # every default written out
    other = runs[0].model_copy(update={"rounds": 2})
    assert key(other) != key(runs[0])
    assert key(cells[0].run(("random", "fedsa"), "fedsa", 0)) != key(runs[0])  # fewer baselines


def test_baselines_run_beside_the_first_strategy_only(small: Path) -> None:
    (cell, *_) = load(small).cells
    both = ("fedsa", "random")
    assert cell.run(both, "fedsa", 3).baselines == ("supervised", "scratch")
    second = cell.run(both, "random", 3)
    assert (second.baselines, second.strategy, second.seed) == ((), "random", 3)


def test_of_two_numbers_of_labels_the_later_holds() -> None:
    base = {"task": {"labels-per-class": 5, "items": 100}}
    found = merged(base, {"task": {"label-share": 0.1}})
    assert found == {"task": {"label-share": 0.1, "items": 100}}
    assert merged(found, {"task": {"labels-per-class": 2}})["task"]["labels-per-class"] == 2


def test_pieces_are_merged_by_key_and_lists_exchanged() -> None:
    base = {"task": {"items": 3, "classes": ["a"]}, "seed": 1}
    found = merged(base, {"task": {"classes": ["b"]}}, {"task": {"data": "x"}, "seed": 2})
    assert found == {"task": {"items": 3, "classes": ["b"], "data": "x"}, "seed": 2}
    assert base == {"task": {"items": 3, "classes": ["a"]}, "seed": 1}
