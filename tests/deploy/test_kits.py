"""The kits are short scripts that travel with the app and stay out of the bundle."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fedsa.app_folder import write_app
from fedsa.deploy.service import Service
from tests.deploy.runbook import CHECKOUT, blocks

SCRIPTS = sorted(CHECKOUT.glob("*/kit/*"))
PAGES = ("coordinator", "institution")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_short_strict_and_explained(script: Path) -> None:
    lines = script.read_text("utf-8").splitlines()
    assert script.suffix == ".sh" and len(lines) < 50
    assert lines[0] == "#!/usr/bin/env bash" and lines[1].startswith(f"# {script.name} ")
    assert "set -euo pipefail" in lines
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_every_script_is_in_a_runbook_and_the_other_way_round() -> None:
    told = "".join((CHECKOUT / "docs" / f"{page}.md").read_text("utf-8") for page in PAGES)
    named = set(re.findall(r"(?:clients|server)/kit/[\w-]+\.sh", told))
    assert named == {str(path.relative_to(CHECKOUT)) for path in SCRIPTS}


def _stopped(folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euc", blocks("institution")["stop"]],
        env={**os.environ, "INSTITUTION": str(folder), "PATH": path},
        cwd=CHECKOUT,
        text=True,
        capture_output=True,
    )


@pytest.mark.parametrize("parts", [(".", ".", "."), ("app", "supernode", "gateway")])
def test_an_institution_of_one_user_or_of_three_stops_at_once(
    tmp_path: Path, parts: tuple[str, ...]
) -> None:
    names, services = ("app", "supernode", "gateway"), []
    for name, part in zip(names, parts, strict=True):
        (tmp_path / part).mkdir(exist_ok=True)
        services.append(Service(tmp_path / part, name))
    try:
        for service in services:
            service.start(["sleep", "60"])
        told = _stopped(tmp_path)
        assert told.stdout.splitlines() == [f"{name} stopped" for name in names]
        assert told.returncode == 0 and all(one.process() is None for one in services)
    finally:
        for service in services:
            service.stop()
    again = _stopped(tmp_path)  # nothing is there any more
    assert again.returncode == 1 and again.stdout == ""
    assert again.stderr.count("error: ") == 1
    assert f"nothing was started from '{tmp_path}'" in again.stderr


@pytest.mark.parametrize("name", ["app", "supernode"])
def test_what_could_not_unpack_a_bundle_is_not_started(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.env").touch()
    (tmp_path / "flower").touch()  # where a folder should be; rights do not hold root back
    told = subprocess.run(
        ["bash", f"clients/kit/start-{name}.sh", tmp_path],
        cwd=CHECKOUT,
        text=True,
        capture_output=True,
    )
    assert told.returncode == 1 and told.stdout == ""
    (line,) = told.stderr.splitlines()
    assert line.startswith(f"error: '{tmp_path}/flower/apps' cannot be written: ")
    assert not (tmp_path / f"{name}.pid").exists()


def test_kits_travel_with_the_app(tmp_path: Path) -> None:
    written = write_app(tmp_path / "my-app")
    assert [str(path.relative_to(written)) for path in sorted(written.glob("*/kit/*"))] == [
        str(path.relative_to(CHECKOUT)) for path in SCRIPTS
    ]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_run_by_a_test(page: str) -> None:
    tests = "".join(path.read_text("utf-8") for path in (CHECKOUT / "tests/deploy").glob("*.py"))
    found = blocks(page)
    assert "settings" in found and len(found) > 5
    for name in set(found) - {"settings"}:
        one, other = f'"{page}", "{name}"', f'block("{name}")'
        assert one in tests or other in tests, f"{page}.md: {name}"
    # Nothing else in the page looks like a command to be given.
    text = (CHECKOUT / "docs" / f"{page}.md").read_text("utf-8")
    assert len(re.findall(r"^```bash", text, re.MULTILINE)) == len(found)
    assert len(text.splitlines()) < 150
