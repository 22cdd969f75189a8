from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedsa.errors import RunError
from fedsa.runs.compare import Row, Table, collect, document, markdown
from fedsa.runs.finished import harmful_share


def folder(
    root: Path,
    strategy: str,
    seed: int,
    student: float,
    scratch: float = 0.6,
    steps: int = 100,
    **changes: Any,
) -> Path:
    """A small run: two rounds, teachers a (good), b (harmful)."""
    path = root / f"{strategy}-{seed}"
    path.mkdir()
    summary = {
        "scenario": "tiny",
        "strategy": strategy,
        "seed": seed,
        "status": "finished",
        "metrics": {"student": student, "scratch": scratch},
        "rounds": [
            {"round": 1, "selected": ["b"], "weights": {"b": 1.0}, "student": 0.5},
            {"round": 2, "selected": ["a", "b"], "weights": {"a": 0.9, "b": 0.1}, "student": 0.6},
        ],
        "teachers": [
            {"id": "a", "relevant": True, "queries": 100, "bytes": 10},
            {"id": "b", "relevant": False, "queries": 50, "bytes": 5},
        ],
        "bytes": {"to_teachers": 2_000_000, "from_teachers": 500_000},
        "seconds": {"total": 10.0 + seed},
    } | changes
    scenario = {"name": "tiny", "strategy": strategy, "student": {"steps": steps}}
    (path / "summary.json").write_text(json.dumps(summary))
    (path / "config.json").write_text(json.dumps({"scenario": scenario}))
    return path


def row(table: Table, method: str, baseline: bool = False) -> Row:
    (found,) = [r for r in table.rows if (r.method, r.baseline) == (method, baseline)]
    return found


def test_differences_are_paired_by_seed(tmp_path: Path) -> None:
    # Seeds move both strategies by ten points; the difference is 2, 3, 4 points all the same.
    folders = [folder(tmp_path, "fedsa", s, v) for s, v in enumerate([0.82, 0.73, 0.94])]
    folders += [folder(tmp_path, "zebra", s, v) for s, v in enumerate([0.80, 0.70, 0.90])]
    folders += [folder(tmp_path, "zebra", 9, 0.10)]  # no partner: in the mean, not in the pairs
    table = collect(folders)
    zebra = row(table, "zebra")
    assert table.reference == "fedsa" and row(table, "fedsa").difference is None
    assert zebra.seeds == (0, 1, 2, 9)
    assert zebra.metric.mean == pytest.approx(0.625)
    assert zebra.difference is not None and zebra.difference.half is not None
    assert zebra.difference.count == 3
    assert zebra.difference.mean == pytest.approx(-0.03)
    assert zebra.difference.half == pytest.approx(4.302653 * 0.01 / math.sqrt(3), abs=1e-6)
    assert not zebra.difference.half > 0.03 and zebra.difference.excludes_zero
    turned = row(collect(folders, reference="zebra"), "fedsa").difference
    assert turned is not None and turned.mean == pytest.approx(0.03)


def test_baselines_are_rows_like_any_other(tmp_path: Path) -> None:
    folders = [folder(tmp_path, "fedsa", s, 0.8, scratch=0.9 + s / 100) for s in range(2)]
    scratch = row(collect(folders), "scratch", baseline=True)
    assert scratch.metric.mean == pytest.approx(0.905)
    assert scratch.difference is not None
    assert scratch.difference.mean == pytest.approx(0.105)  # a lost cell, told as it is
    assert scratch.seconds is None and scratch.harmful is None


def test_costs_and_harm_are_those_of_the_summary(tmp_path: Path) -> None:
    table = collect([folder(tmp_path, "fedsa", s, 0.8) for s in (0, 1, 2)])
    fedsa = row(table, "fedsa")
    assert fedsa.harmful is not None and fedsa.harmful.mean == pytest.approx(0.1)
    assert fedsa.queries is not None and fedsa.queries.mean == 150
    assert fedsa.bytes is not None and fedsa.bytes.mean == 2_500_000
    assert fedsa.seconds is not None and fedsa.seconds.mean == 11.0


@pytest.mark.parametrize(
    ("weights", "share"),
    [
        ([{"b": 1}, {"a": 1}], 0.0),  # only the second of two rounds counts
        ([{"a": 1}, {"a": 1}, {"a": 3, "b": 1}], 0.125),  # of three, the second and the third
        ([{"b": 1}, {"b": 1}, {"a": 1}, {"a": 1, "b": 1}], 0.25),
        ([{"a": 1}, {}], None),  # nobody was selected in the half that counts
    ],
)
def test_harm_is_counted_in_the_second_half(
    weights: list[dict[str, float]], share: float | None
) -> None:
    rounds = [{"round": n, "weights": w} for n, w in enumerate(weights, 1)]
    teachers = [{"id": "a", "relevant": True}, {"id": "b", "relevant": False}]
    assert harmful_share({"rounds": rounds, "teachers": teachers}) == share
    assert harmful_share({"rounds": rounds, "teachers": teachers[:1]}) is None


def test_unlike_runs_are_refused(tmp_path: Path) -> None:
    folders = [folder(tmp_path, "fedsa", 0, 0.8), folder(tmp_path, "fedmd", 0, 0.7, steps=999)]
    with pytest.raises(RunError, match="differ in student"):
        collect(folders)


def test_seeds_of_one_strategy_have_its_options_alike(tmp_path: Path) -> None:
    folders = [folder(tmp_path, "fedsa", seed, 0.8) for seed in (0, 1)]
    config = folders[1] / "config.json"
    document = json.loads(config.read_text())
    document["scenario"]["baselines"] = []  # those of one seed are enough to be told
    config.write_text(json.dumps(document))
    assert row(collect(folders), "fedsa").seeds == (0, 1)
    document["scenario"]["fusion"] = {"prototypes": 16}
    config.write_text(json.dumps(document))
    with pytest.raises(RunError, match="runs of strategy fedsa but differ in fusion"):
        collect(folders)


def test_a_run_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    one, two = (
        folder(tmp_path, "fedsa", 0, 0.8),
        folder(tmp_path / "again", "fedsa", 0, 0.9),
    )
    with pytest.raises(RunError, match="give each run once"):
        collect([one, two])


def test_unfinished_runs_are_told_not_counted(tmp_path: Path) -> None:
    good = folder(tmp_path, "fedsa", 0, 0.8)
    bad = folder(tmp_path, "fedsa", 1, 0.1, status="failed")
    (empty := tmp_path / "empty").mkdir()
    table = collect([good, bad, empty])
    assert row(table, "fedsa").seeds == (0,)
    assert table.left_out == (f"{bad}: failed", f"{empty}: no summary.json")
    assert f"- {bad}: failed" in markdown(table)
    with pytest.raises(RunError, match="no finished run"):
        collect([bad, empty])


def test_clear_errors(tmp_path: Path) -> None:
    good = folder(tmp_path, "fedsa", 0, 0.8)
    with pytest.raises(RunError, match="'best' is not among .* fedsa"):
        collect([good], reference="best")
    with pytest.raises(RunError, match="no run folder"):
        collect([tmp_path / "nowhere"])
    nan = folder(tmp_path, "fedsa", 1, math.nan)
    with pytest.raises(RunError, match="nan is not a finite number"):
        collect([nan])
    (good / "summary.json").write_text("{")
    with pytest.raises(RunError, match=r"summary\.json' cannot be read"):
        collect([good])


def test_printed_forms(tmp_path: Path) -> None:
    folders = [folder(tmp_path, "fedsa", s, 0.8 + s / 100) for s in range(3)]
    folders += [folder(tmp_path, "fedmd", 0, 0.85)]
    table = collect(folders)
    lines = markdown(table).splitlines()
    assert lines[4].startswith("| fedsa | 3 | 81.00 ± 2.48 | – | 10.0 ± 0.0 | 11.0 ± 2.5 |")
    assert lines[5].startswith("| fedmd | 1 | 85.00 | +5.00 | 10.0 | 10.0 | 150 | 2.50 |")
    assert lines[6].startswith("| scratch (baseline) | 3 | 60.00 ± 0.00 | -21.00 ± 2.48 * | – |")
    plain = json.loads(json.dumps(document(table)))
    assert plain["rows"][1]["difference"] == {"mean": 0.05, "half": None, "count": 1}
    assert plain["rows"][0]["metric"] == {"mean": 0.81, "half": 0.024841, "count": 3}


def test_a_folder_as_runs_write_it(tmp_path: Path, run_writer: Callable[..., Path]) -> None:
    table = collect([run_writer(tmp_path / str(seed), seed) for seed in range(2)])
    assert [r.method for r in table.rows] == ["fedsa", "scratch", "uniform", "best_single"]
    assert table.rows[0].harmful is not None and table.rows[0].harmful.mean == 0.0
