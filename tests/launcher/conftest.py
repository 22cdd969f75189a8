from __future__ import annotations

from pathlib import Path

import pytest

from tests.launcher.commands import Command, scenario


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The command, in a folder without an app, with a cache for all tests of the session."""
    return Command(tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def tiny(command: Command) -> Path:
    """A tiny scenario's file."""
    return scenario(command.cwd / "tiny.toml")


@pytest.fixture(scope="session")
def finished(command: Command, tiny: Path) -> Path:
    """The folder of a run that was never interrupted."""
    folder = command.cwd / "finished"
    code, said = command.run("simulate", tiny, "--out", folder)
    (folder / "said.txt").write_text(said)
    assert code == 0, said
    return folder
