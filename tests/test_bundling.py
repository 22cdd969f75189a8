"""What is set apart makes the very bundle that Flower makes of the whole folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from flwr.cli.build import build_fab_from_disk

from fedsa.app_folder import write_app
from fedsa.bundling import staged


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = write_app(tmp_path / "my-app")
    for path, text in (
        (".venv/lib/x.py", "x = 1"),
        ("runs/first/config.json", "{}"),
        ("server/notes.txt", "not code"),
        ("server/deeper/more.py", "y = 2"),
        ("server/__pycache__/app.pyc", "old"),
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (folder / "server" / "link.py").symlink_to(folder / "runs" / "first" / "config.json")
    return folder


def test_the_bundle_is_the_same_and_the_rest_stays_behind(app: Path) -> None:
    with staged(app) as folder:
        assert folder.name == "my-app" and (folder / "server" / "deeper" / "more.py").exists()
        assert not (folder / ".venv").exists() and not (folder / "runs").exists()
        assert build_fab_from_disk(folder) == build_fab_from_disk(app)
    assert not folder.exists()


@pytest.mark.parametrize("include", ['["*.py"]', '["**/*.py"]', '["/*/x.py"]', None])
def test_patterns_that_may_match_anywhere_leave_the_folder_as_it_is(
    app: Path, include: str | None
) -> None:
    project = (app / "pyproject.toml").read_text()
    lines = [line for line in project.splitlines() if not line.startswith("fab-include")]
    if include is not None:
        lines.insert(lines.index("[tool.flwr.app]") + 1, f"fab-include = {include}")
    (app / "pyproject.toml").write_text("\n".join(lines))
    with staged(app) as folder:
        assert folder == app


def test_a_folder_that_is_no_app_is_left_to_flower(tmp_path: Path) -> None:
    with staged(tmp_path) as folder:
        assert folder == tmp_path
