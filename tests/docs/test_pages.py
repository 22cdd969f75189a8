"""The pages agree with the code: every key, its default, every file, every link."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from fedsa.cli.listing import every_key
from fedsa.options import TeacherOptions
from fedsa.runs.baselines import FUSED
from fedsa.scenario import Scenario, load
from strategies import STRATEGIES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def keys(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """Every key as TOML spells it, with its default as a table of the reference writes it."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        key, kind = prefix + (field.alias or name), field.annotation
        if name == "teachers":
            found |= keys(TeacherOptions, "teachers.")
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= keys(kind, f"{key}.")
        elif field.is_required():
            found[key] = "required"
        else:
            default = field.get_default(call_default_factory=True)
            found[key] = json.dumps(list(default) if isinstance(default, tuple) else default)
    return found


def table(page: str, columns: int) -> dict[str, list[str]]:
    """Rows of a page's tables whose first cell is code, by that code."""
    rows = {}
    for line in (DOCS / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `") and len(cells) == columns:
            assert cells[0] not in rows, f"{cells[0]} stands in {page} twice"
            rows[cells[0].strip(" `")] = cells[1:]
    return rows


def test_the_reference_has_every_key_with_its_default() -> None:
    written = {key: cells[1].strip("`") for key, cells in table("scenario.md", 4).items()}
    assert written == keys(Scenario)


def test_the_command_lists_every_key() -> None:
    listed = {key: default for key, default, _ in every_key(Scenario)}
    assert listed == keys(Scenario)


def test_every_key_is_explained() -> None:
    assert all(len(cells[2]) > 12 for cells in table("scenario.md", 4).values())


def test_baselines_and_strategies_are_listed() -> None:
    text = (DOCS / "scenario.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in FUSED)
    listed = set(table("strategies.md", 2))
    assert set(STRATEGIES.builtins) <= listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    local = [target for target in targets if "://" not in target]
    assert all((page.parent / target).exists() for target in local), local


def test_scenarios_shown_in_pages_are_valid(tmp_path: Path) -> None:
    shown = []
    for page in PAGES:
        blocks = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        shown += [block for block in blocks if re.search(r"^name = ", block, re.MULTILINE)]
    assert shown
    for place, block in enumerate(shown):
        path = tmp_path / f"{place}.toml"
        path.write_text(block)
        load(path)


def test_every_test_that_a_page_names_is_there() -> None:
    named = {
        match
        for page in PAGES
        for match in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text(encoding="utf-8"))
    }
    assert named
    for file, name in sorted(named):
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), (file, name)
