"""The kits are short scripts that travel with the app and stay out of the bundle."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from fedsa.app_folder import write_app
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
