"""The commands that a person looks at first."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsa.runs.default_folder import default_folder
from tests.cli.conftest import Fedsa
from tests.runs.conftest import write_run


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ([], ["simulate", "compare", "table", "report", "new", "strategies", "data", "bench"]),
        (["simulate"], ["SCENARIO", "--set", "--out", "--seed", "--resume", "quickstart"]),
        (["compare"], ["RUNS", "--scenario", "--strategies", "--seeds", "--set", "--out"]),
        (["table"], ["NAME", "--out", "--seeds", "--only", "--set", "--show", "--keep"]),
        (["report"], ["FOLDER"]),
        (["new"], ["FOLDER"]),
        (["strategies"], ["plug in your own"]),
        (["data"], ["datasets"]),
        (["bench"], ["WHAT", "simulation", "student", "--teachers", "--items"]),
    ],
)
def test_help(fedsa: Fedsa, command: list[str], told: list[str]) -> None:
    code, said = fedsa(*command, "--help")
    assert code == 0
    assert [word for word in told if word not in said] == []


def test_lists(fedsa: Fedsa) -> None:
    code, said = fedsa("strategies")
    assert code == 0
    known = ("fedsa", "uniform", "random", "best_single", "fedmd", "stacking", "bplus", "by_name")
    assert [name for name in known if f"\n{name} " not in said] == []
    code, said = fedsa("keys")
    assert code == 0 and "task.label-share" in said and "Share of the transfer set" in said
    assert ":mod:" not in said and "`" not in said
    code, said = fedsa("data")
    assert code == 0 and "fashion-mnist-mini" in said and "in the wheel" in said
    assert "fedsa[dsprites]" in said.replace("\n", "").replace(" ", "")


def test_report_and_compare(fedsa: Fedsa, tmp_path: Path) -> None:
    write_run(tmp_path / "one", 0)
    write_run(tmp_path / "two", 1)
    code, said = fedsa("report", "one")
    assert code == 0 and (tmp_path / "one" / "report.html").stat().st_size > 10_000
    assert str(Path("one") / "report.html") in said
    code, said = fedsa("compare", "one", "two", "--out", "table")
    assert code == 0, said
    assert (tmp_path / "table" / "comparison.md").read_text().strip() in said
    assert (tmp_path / "table" / "comparison.json").exists()


def test_new_writes_an_app(fedsa: Fedsa, tmp_path: Path) -> None:
    code, said = fedsa("new", "my-app")
    assert code == 0 and "next: cd my-app && fedsa simulate" in said
    assert (tmp_path / "my-app" / "server" / "app.py").is_file()


def test_runs_of_the_same_second_get_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folders = [default_folder("tiny") for _ in range(4)]
    assert len(set(folders)) == 4
    assert all(folder.parent == Path("runs") and folder.is_dir() for folder in folders)
