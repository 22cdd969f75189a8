"""A table is gone on with run by run, and tells what is there, what is not, and what was lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fedsa.errors import RunError
from fedsa.runs.finished import Run
from fedsa.scenario import Scenario
from fedsa.tables import code
from fedsa.tables.cells import key
from fedsa.tables.definition import load
from fedsa.tables.making import Making
from fedsa.tables.results import methods, results, standings, unbeaten
from fedsa.tables.store import Store
from tests.tables.conftest import measured


def put(making: Making, scenario: Scenario, student: float, **others: float) -> None:
    """Keep a made-up result as if it had been run just now."""
    now = code.circumstances()
    made = {"moved": {"scratch": 3e8}, "code": code.strategy_digest(scenario), **now}
    if scenario.baselines:
        made["baselines"] = {"code": code.digest(scenario), **now}
    making._store.put(scenario, measured(scenario, student, **others), made)


def filled(small: Path, out: Path, seeds: tuple[int, ...] = (0, 1, 2)) -> Making:
    """The first cell with all seeds, the second with one."""
    making = Making(load(small), seeds, out)
    few, many = making.table.cells[:2]
    for seed in seeds:
        ours = few.run(("fedsa", "random"), "fedsa", seed)
        put(making, ours, 0.80 + seed / 100, scratch=0.60 + seed / 100, supervised=0.9)
        put(making, few.run(("fedsa", "random"), "random", seed), 0.83 + seed / 100)
    put(making, many.run(("fedsa", "random"), "fedsa", 0), 0.9, scratch=0.9, supervised=0.9)
    return making


def test_what_is_missing_is_known_run_by_run(small: Path, tmp_path: Path) -> None:
    empty = Making(load(small), (0, 1, 2), tmp_path / "none")
    assert empty.total == len(list(empty.missing())) == 4 * 3 * 2
    making = filled(small, tmp_path / "out")
    todo = [(cell.name, run.strategy, run.seed) for cell, run in making.missing()]
    assert len(todo) == 24 - 7 and not any(name == "all, few" for name, *_ in todo)
    assert ("all, many", "fedsa", 0) not in todo and ("all, many", "random", 0) in todo
    folders = {making.folder(cell, run) for cell, run in empty.missing()}
    assert len(folders) == 24  # each in a place of its own


def test_results_of_other_code_are_run_again_unless_kept(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(small, tmp_path / "out")
    monkeypatch.setattr(code, "digest", lambda *_: "other")
    making = Making(load(small), (0, 1, 2), tmp_path / "out")
    assert len(list(making.missing())) == 24 and len(list(making.missing(keep=True))) == 17
    page = making.write().read_text()
    assert "| seeds | 3 of 3 † | 1 of 3 † |" in page and "made with other code" in page


def test_the_page_tells_wins_losses_and_gaps(small: Path, tmp_path: Path) -> None:
    page = filled(small, tmp_path / "out").write().read_text().splitlines()
    at = page.index("### all")
    grid = page[at + 2 : at + 13]
    assert grid[0] == "| labels | few | many |"
    assert grid[2] == "| fedsa | 81.00 ± 2.48 | 90.00 |"
    assert grid[3] == "| random | 84.00 ± 2.48<br>+3.00 ± 0.00 * | not run |"  # lost, and told
    assert grid[4].startswith("| scratch | 61.00 ± 2.48<br>-20.00 ± 0.00 * | 90.00<br>+0.00 |")
    assert grid[5].startswith("| supervised (sees more) | 90.00 ± 0.00<br>+9.00 ± 2.48 * |")
    assert grid[6] == "| queries | 1,000 ± 0 | 1,000 |"
    assert grid[9] == "| MB of scratch | 300.0 ± 0.0 | 300.0 |"
    assert grid[10] == "| seeds | 3 of 3 | 1 of 3 |"
    two = page.index("### two")
    assert page[two + 4] == "| fedsa | not run | not run |"
    told = (
        "Of 4 cells 2 were run, 1 of them with enough seeds of every method for an interval. "
        "In 0 of these 1 "
    )
    assert any(line.startswith(told) for line in page)
    assert "| scratch | 1 | 0 | 0 |" in page and "| random | 0 | 0 | 1 |" in page
    assert "- other data: not here" in page
    assert any(line.startswith("- 7 runs, 7 minutes in all: fedsa ") for line in page)


def test_columns_may_be_compared_with_the_first(small: Path, tmp_path: Path) -> None:
    small.write_text(
        small.read_text()
        .replace('"First"', '"First"\ncompare = "columns"')
        .replace(', "random"', "")
    )
    making = Making(load(small), (0, 1, 2), tmp_path / "out")
    few, many = making.table.cells[:2]
    for seed in (0, 1, 2):  # the seeds move both, the difference is four points all the same
        moved = seed / 100
        put(making, few.run(("fedsa",), "fedsa", seed), 0.80 + moved, scratch=0.6, supervised=0.9)
        if seed:
            more = many.run(("fedsa",), "fedsa", seed)
            put(making, more, 0.84 + moved, scratch=0.6, supervised=0.9)
    page = making.write().read_text().splitlines()
    grid = page[page.index("### all") + 2 :]
    assert "Differences here are from the first column, of the same method." in page
    assert grid[2] == "| fedsa | 81.00 ± 2.48 | 85.50 ± 6.35<br>+4.00 ± 0.00 * |"
    assert grid[3] == "| scratch | 60.00 ± 0.00 | 60.00 ± 0.00<br>+0.00 ± 0.00 |"


def test_an_empty_table_says_so(small: Path, tmp_path: Path) -> None:
    page = Making(load(small), (0,), tmp_path / "out").write().read_text()
    assert "Nothing was run yet." in page and "```sh\nfedsa table small\n```" in page


def test_the_json_has_every_run_and_can_be_gone_on_from(small: Path, tmp_path: Path) -> None:
    making = filled(small, tmp_path / "out")
    published = making.write().with_suffix(".json")
    found = json.loads(published.read_text())
    assert [cell["status"] for cell in found["cells"]] == ["run", "run", "not run", "not run"]
    assert len(found["runs"]) == 7
    assert found["standing"]["cells"] == 1 and found["standing"]["nobody_surely_ahead"] == 0
    assert found["standing"]["against"][0] == {"method": "random"} | {
        "ahead": 0, "level": 0, "behind": 1
    }  # fmt: skip
    assert {"commit", "versions", "machine", "code", "queries", "bytes"} <= found["runs"][0].keys()
    again = Store(tmp_path / "elsewhere", published)
    known = again.all()
    now = {one.key: (one.code, one.whole) for one in making._runs}
    gone = dict.fromkeys(now, ("", ""))
    one, other = (results(making.table, (0, 1, 2), known, codes) for codes in (now, gone))
    assert [result.rows for result in one] == [result.rows for result in other]
    assert [result.old for result in one] == [0, 0, 0, 0]
    assert [result.old for result in other] == [6, 1, 0, 0]


def test_a_result_of_ones_own_comes_before_a_published_one(small: Path, tmp_path: Path) -> None:
    published = filled(small, tmp_path / "out").write().with_suffix(".json")
    making = Making(load(small), (0,), tmp_path / "own")
    scenario = making.table.cells[0].run(("fedsa", "random"), "fedsa", 0)
    store = Store(tmp_path / "own", published)
    store.put(scenario, measured(scenario, 0.5), {"code": "", **code.circumstances()})
    students = {r["metrics"]["student"] for r in store.all().values() if r["seed"] == 0}
    assert 0.5 in students and 0.80 not in students


def test_methods_that_see_more_take_nobodys_place(small: Path, tmp_path: Path) -> None:
    making = Making(load(small), (0, 1), tmp_path)
    both = ("fedsa", "random")
    for seed in (0, 1):
        cell = making.table.cells[0]
        put(making, cell.run(both, "fedsa", seed), 0.8, scratch=0.7, supervised=0.9)
        put(making, cell.run(both, "random", seed), 0.74 + seed / 10)  # neither for sure
    known = making._store.all()
    found = results(making.table, (0, 1), known, dict.fromkeys(known, ("", "")))
    assert unbeaten(found, making.table) == (1, 1, 1)


def test_those_that_see_more_come_last(small: Path, tmp_path: Path) -> None:
    making = filled(small, tmp_path / "out")
    found = results(making.table, (0,), {}, {})
    assert methods(found, making.table) == ["fedsa", "random", "scratch", "supervised"]
    assert [one.method for one in standings(found, ["fedsa", "random"])] == ["random"]


def test_a_broken_result_is_named(small: Path, tmp_path: Path) -> None:
    making = filled(small, tmp_path / "out")
    (path, *_) = (tmp_path / "out" / "small" / "results").iterdir()
    path.write_text("{")
    with pytest.raises(RunError, match=f"'{path}' cannot be read"):
        making.write()


def test_a_strategy_run_alone_stays_beside_earlier_baselines(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    making = filled(small, tmp_path / "out", (0, 1))
    before = making._store.all()
    monkeypatch.setattr(code, "digest", lambda *_: "other")
    alone = Making(load(small), (0, 1), tmp_path / "out", alone=True)
    assert len(list(alone.missing())) == alone.total == 16
    cell, run = next(alone.missing())
    assert alone.to_run(run).baselines == () and making.to_run(run) == run
    assert alone.folder(cell, run) != making.folder(cell, run)

    def read(folder: Path) -> Run:
        return measured(alone.to_run(run), 0.95)

    monkeypatch.setattr("fedsa.tables.making.read_run", read)
    alone.keep(run, tmp_path)
    record = alone._store.all()[key(run)]
    earlier = before[key(run)]
    assert record["metrics"] == {**earlier["metrics"], "student": 0.95}
    assert record["moved"] == earlier["moved"] and record["code"] == "other"
    assert record["baselines"] == earlier["baselines"] and record["alone"]
    # Alone it is done; with its baselines it is not, unless other code counts.
    names = {key(one) for _, one in alone.missing()}
    whole = Making(load(small), (0, 1), tmp_path / "out")
    assert key(run) not in names and key(run) in {key(one) for _, one in whole.missing()}
    assert key(run) not in {key(one) for _, one in whole.missing(keep=True)}
    page = alone.write().read_text()
    assert "| seeds | 2 of 2 † ‡ | 1 of 2 † |" in page and "‡ run alone" in page
    assert "- baselines of 1 run: fedsa " in page
    # Run alone a second time, it is still told what the baselines were made with.
    alone.keep(run, tmp_path)
    assert alone._store.all()[key(run)]["baselines"] == record["baselines"]


def test_a_strategy_run_alone_lacks_baselines_that_nobody_trained(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = Making(load(small), (0,), tmp_path / "out", alone=True)
    _, run = next(alone.missing())
    monkeypatch.setattr("fedsa.tables.making.read_run", lambda _: measured(alone.to_run(run), 0.95))
    alone.keep(run, tmp_path)
    record = alone._store.all()[key(run)]
    assert record["metrics"] == {"student": 0.95} and record["baselines"] == {}
    assert key(run) not in {key(one) for _, one in alone.missing()}
    whole = Making(load(small), (0,), tmp_path / "out")
    for keep in (False, True):
        assert key(run) in {key(one) for _, one in whole.missing(keep)}
    assert "| seeds | 1 of 1 ‡ | 0 of 1 |" in alone.write().read_text()


def test_baselines_of_other_code_are_marked_too(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(small, tmp_path / "out")
    digest = code.digest
    # Only what baselines depend on has changed.
    monkeypatch.setattr(
        code, "digest", lambda s, apart=code.APART: "" if apart == code.APART else digest(s, apart)
    )
    making = Making(load(small), (0, 1, 2), tmp_path / "out")
    assert len(list(making.missing())) == 17 + 4  # three seeds of the one cell, one of the other
    page = making.write()
    assert "| seeds | 3 of 3 † | 1 of 3 † |" in page.read_text()
    found = json.loads(page.with_suffix(".json").read_text())
    assert [cell["made_with_other_code"] for cell in found["cells"]] == [3, 1, 0, 0]


def test_code_that_changes_during_a_run_is_not_what_made_it(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    making = Making(load(small), (0,), tmp_path / "out")
    _, run = next(making.missing())
    monkeypatch.setattr(
        "fedsa.tables.making.read_run",
        lambda _: measured(run, 0.9, scratch=0.6, supervised=0.9),
    )
    monkeypatch.setattr(code, "digest", lambda *_: "edited meanwhile")
    making.keep(run, tmp_path)
    later = Making(load(small), (0,), tmp_path / "out")
    assert key(run) in {key(one) for _, one in later.missing()}


def test_a_cell_without_a_rival_tells_not_who_is_first(small: Path, tmp_path: Path) -> None:
    making = Making(load(small), (0, 1), tmp_path)
    both = ("fedsa", "random")
    cell = making.table.cells[0]
    for seed in (0, 1):
        put(making, cell.run(both, "random", seed), 0.7)
        put(making, cell.run(both, "fedsa", seed), 0.8)  # alone: scratch belongs there too
    known = making._store.all()
    codes = dict.fromkeys(known, ("", ""))
    assert unbeaten(results(making.table, (0, 1), known, codes), making.table) == (0, 0, 0)
    for seed in (0, 1):
        put(making, cell.run(both, "fedsa", seed), 0.8, scratch=0.6)
    found = results(making.table, (0, 1), making._store.all(), codes)
    assert unbeaten(found, making.table) == (1, 1, 1)


def test_other_results_of_a_tables_name_are_no_published_ones(small: Path, tmp_path: Path) -> None:
    published = filled(small, tmp_path / "out").write().with_suffix(".json")
    assert len(Store(tmp_path / "own", published).all()) == 7
    comparison = tmp_path / "quickstart.json"
    comparison.write_text(json.dumps({"reference": "fedsa", "rows": []}))
    assert Store(tmp_path / "own", comparison).all() == {}


WRITES = """
import sys
from pathlib import Path
from fedsa.tables.store import put_json
for _ in range(300):
    put_json(Path(sys.argv[1]), ["x" * 20_000])
"""


def test_two_processes_write_one_page(tmp_path: Path) -> None:
    path = tmp_path / "page.json"
    both = [subprocess.Popen([sys.executable, "-c", WRITES, path]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert json.loads(path.read_text()) == ["x" * 20_000]
    assert list(tmp_path.iterdir()) == [path]
