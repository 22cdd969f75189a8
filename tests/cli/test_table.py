"""``fedsa table``: made-up runs for what it does with them, and one real cell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fedsa.cli import many
from fedsa.errors import RunError
from fedsa.launcher import processes
from fedsa.scenario import Scenario
from tests.cli.conftest import Fedsa
from tests.launcher.commands import Command, assert_nothing_left, mark, scenario
from tests.runs.conftest import write_run

TABLE = """
title = "Tiny"
seeds = "0-1"
scenario = "tiny.toml"

[axes.labels]
"few of them" = { task.labels-per-class = 1 }
many = { task.label-share = 0.5 }
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A table of two cells with two seeds each."""
    scenario(
        tmp_path / "tiny.toml", student__steps=40, rounds=1, baselines=["scratch", "supervised"]
    )
    path = tmp_path / "table.toml"
    path.write_text(TABLE)
    return path


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Scenario]:
    """Runs that are made up at once, and which they were; seed 1 of many labels fails."""
    found: list[Scenario] = []

    def made_up(wanted: Scenario, path: Path, console: Console) -> Path:
        found.append(wanted)
        if wanted.seed == 1 and wanted.task.labels_per_class is None:
            raise RunError("Out of luck.")
        shutil.rmtree(path, ignore_errors=True)
        return write_run(path, wanted.seed, scenario=wanted.name)

    monkeypatch.setattr(many, "run_one", made_up)
    return found


def test_tables_are_listed(fedsa: Fedsa) -> None:
    code, said = fedsa("table")
    assert code == 0 and "single-task: One task" in said


def test_a_pattern_without_a_match_is_told(fedsa: Fedsa, tiny: Path, ran: list[Scenario]) -> None:
    code, said = fedsa("table", tiny, "--only", "fwe*", "--out", "out")
    assert code != 0 and not ran
    assert "No cell's name matches --only 'fwe*'" in said and "few" in said


def test_only_what_is_missing_is_run(fedsa: Fedsa, tiny: Path, ran: list[Scenario]) -> None:
    code, said = fedsa("table", tiny, "--show")
    assert code == 0 and not ran and "Nothing was run yet." in said
    code, said = fedsa("table", tiny, "--only", "few*", "--seeds", "1", "--out", "out")
    assert code == 0 and [(run.seed, run.task.labels_per_class) for run in ran] == [(1, 1)]
    assert "[1/1 to run, 2 in all] few of them: fedsa, seed 1" in said
    code, said = fedsa("table", tiny, "--out", "out")
    assert code == 5 and "1 runs failed: many, fedsa, seed 1: Out of luck." in said
    assert [run.seed for run in ran[1:]] == [0, 0, 1]
    assert "| seeds | 2 of 2 | 1 of 2 |" in said and "] many: fedsa, seed 1" in said
    found = json.loads(Path("out/table.json").read_text())
    assert [cell["seeds"] for cell in found["cells"]] == [[0, 1], [0]]
    assert Path("out/table.md").read_text().strip() in said
    del ran[:]
    code, said = fedsa("table", tiny, "--out", "out", "--set", "student.steps=41")
    assert len(ran) == 4  # other cells than those above
    assert "--set student.steps=41" in Path("out/table.md").read_text()


def test_strategies_alone_have_no_baselines(fedsa: Fedsa, tiny: Path, ran: list[Scenario]) -> None:
    given = ("table", tiny, "--only", "few*", "--seeds", "1", "--out", "out")
    for option, baselines in (("--alone", ()), ("--alone", None), ("--show", None)):
        del ran[:]
        code, said = fedsa(*given, option)
        assert code == 0 and [run.baselines for run in ran] == ([()] if baselines == () else [])
    assert "| seeds | 1 of 1 ‡ | 0 of 1 |" in said
    code, said = fedsa(*given)  # what is lacking is run in its turn
    assert code == 0 and [run.baselines for run in ran] == [("scratch", "supervised")]
    assert "| seeds | 1 of 1 | 0 of 1 |" in said


def test_results_of_other_code_are_kept_if_asked(
    fedsa: Fedsa, tiny: Path, ran: list[Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("table", tiny, "--only", "few*", "--out", "out")
    assert fedsa(*given)[0] == 0 and len(ran) == 2
    monkeypatch.setattr("fedsa.tables.code.digest", lambda *_: "other")
    code, said = fedsa(*given, "--keep")
    assert code == 0 and len(ran) == 2 and "| seeds | 2 of 2 † | 0 of 2 |" in said
    assert fedsa(*given)[0] == 0 and len(ran) == 4


def test_what_a_cell_names_is_looked_up_before_anything_runs(
    fedsa: Fedsa, tiny: Path, ran: list[Scenario]
) -> None:
    text = TABLE.replace("share = 0.5", "share = 0.5, task.data = 'nowhere.npz'")
    tiny.write_text(f'strategies = ["fedsa", "fedas"]\n{text}')
    code, said = fedsa("table", tiny, "--out", "out")
    assert code == 2 and not ran
    assert said.count("cell '") == 2 and "cell 'few of them': " in said and "'fedas'" in said
    assert "cell 'many': " in said and "nowhere.npz" in said


def test_a_seed_named_twice_is_one(fedsa: Fedsa, tiny: Path, ran: list[Scenario]) -> None:
    code, _ = fedsa("table", tiny, "--only", "few*", "--seeds", "0-1,1,0", "--out", "out")
    assert code == 0 and [run.seed for run in ran] == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing"], "No table called 'nothing'"),
        (["single-task", "--seeds", "x"], "--seeds x: write seeds as"),
        (["single-task", "--set", "task.item=3"], "task.item: there is no such key"),
        (["few-shot", "--alone"], "--alone is for tables of runs"),
    ],
)
def test_faults_are_sentences(fedsa: Fedsa, arguments: list[Any], sentence: str) -> None:
    code, said = fedsa("table", *arguments)
    assert code in (2, 5) and sentence in said and "Traceback" not in said


SELECTION = """
kind = "selection"
title = "Tiny"
seeds = "0-1"
truth-steps = 20
pools.all = ["a", "b"]

[scenario]
task = { data = "digits-table", items = 300, label-share = 0.05 }
student = { model = "mlp", steps = 20 }
teachers = [
  { id = "a", model = "mlp", data = "digits-table", items = 60, epochs = 2 },
  { id = "b", model = "mlp", data = "digits-table", items = 60, label-noise = 1.0 },
]
"""


def test_a_table_of_selection_is_measured_here(
    fedsa: Fedsa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDSA_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "ranks.toml"
    path.write_text(SELECTION)
    code, said = fedsa("table", path, "--show", "--out", tmp_path / "out")
    assert code == 0 and "truth 0 of 2, estimates 0 of 2" in said
    for count in (1, 0):  # it is there at the second time
        given = ("table", path, "--only", "truth*", "--seeds", "1", "--out", tmp_path / "out")
        code, said = fedsa(*given)
        assert code == 0 and f"{count} cells to measure" in said
    assert "| a | " in said and "truth 1 of 1, estimates 0 of 1" in said
    (run,) = json.loads((tmp_path / "out" / "ranks.json").read_text())["runs"]
    assert (run["kind"], run["seed"], set(run["figures"]["gains"])) == ("truth", 1, {"a", "b"})
    path.write_text(SELECTION.replace('"b"]', '"c"]'))
    code, said = fedsa("table", path, "--show")
    assert code == 2 and "pools.all: there is no teacher 'c'" in said


@pytest.mark.slow
def test_a_cell_that_was_killed_is_gone_on_with(tmp_path: Path, tiny: Path) -> None:
    command = Command(tmp_path, tmp_path / "cache")
    given = ("table", tiny, "--only", "few*", "--seeds", "0", "--out", "out")
    process = command.start(*given)
    runs = tmp_path / "out" / "table" / "runs"
    while not (
        marks := [path for path in runs.glob("few-of-them-seed0-*/.mark") if path.read_text()]
    ):
        assert process.poll() is None, process.communicate()
    folder = marks[0].parent
    # What a run had started outlives the command that was killed.
    orphan = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        env={**os.environ, processes.MARK: mark(folder)},
    )
    process.kill()
    process.communicate()
    assert orphan.poll() is None
    code, said = command.run(*given)
    assert code == 0 and orphan.wait(0) != 0, said
    assert "ended what an earlier, killed start had left running" in said
    assert list(runs.iterdir()) == [folder]
    assert_nothing_left(folder)
    found = json.loads((tmp_path / "out" / "table.json").read_text())
    (run,) = found["runs"]
    assert set(run["metrics"]) == {"student", "scratch", "supervised"}
    assert run["metrics"]["supervised"] > run["metrics"]["scratch"]  # 300 labels against ten
    assert run["queries"] > 0 and run["bytes"] > 0
    assert [cell["status"] for cell in found["cells"]] == ["run", "not run"]
