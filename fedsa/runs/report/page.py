"""Puts the sections together into one self-contained page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from fedsa.errors import RunError
from fedsa.runs.report.certificate import sentences
from fedsa.runs.report.choices import choices
from fedsa.runs.report.confusion import confusion
from fedsa.runs.report.curves import curve
from fedsa.runs.report.headline import headline
from fedsa.runs.report.looks import looks
from fedsa.runs.report.material import Material, read
from fedsa.runs.report.prototypes import prototypes
from fedsa.runs.report.spending import spending

T = TypeVar("T")

UNLIKE = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
"""What reading data that are not of the form that a run writes ends in."""


def write(folder: Path) -> Path:
    """Write ``report.html`` into a run folder, for a run that is finished or still under way.

    The page needs no network and no script: styles are inline, pictures are data URIs. What came
    from outside (ids, class names, sentences) is escaped.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    RunError
        If the folder is no run folder, its files have another form than a run's, or the page
        cannot be written.
    """
    run = read(folder)
    try:
        html = render(run)
    except UNLIKE as error:  # in what every page has: no section can be left out for it
        raise RunError(
            f"The files of the run in '{folder}' do not have the form that a run gives them "
            f"({type(error).__name__}: {error}): restore them, or run it again."
        ) from None
    page = folder / "report.html"
    part = folder / "report.html.part"
    try:
        part.write_text(html, encoding="utf-8")
        os.replace(part, page)  # a reader never sees half a page
    except OSError as error:
        raise RunError(f"The report cannot be written to '{page}': {error.strerror}.") from None
    return page


def render(run: Material) -> str:
    """Return the page's HTML."""
    faults: list[str] = []

    def section(name: str, make: Callable[[], T | None]) -> T | None:
        # Runs of other versions, or folders edited by hand, must not cost the rest of the page.
        try:
            return make()
        except UNLIKE as error:
            faults.append(f"{name} ({type(error).__name__}: {error})")
            return None

    chosen = section("selection", lambda: choices(run))
    sections: dict[str, Any] = {
        "top": headline(run),
        "certificate": section("certificate", lambda: _certificate(run)) or [],
        "curve": section("accuracy per round", lambda: curve(run)),
        "chosen": chosen,
        "looks": section("saliency", lambda: looks(run, chosen)),
        "prototypes": section("prototypes", lambda: prototypes(run)),
        "confusion": section("confusion matrix", lambda: confusion(run)),
        "spending": section("costs", lambda: spending(run)),
        "failures": [event for event in run.events if event.get("event") == "failure"],
        "limits": section("terms", lambda: _limits(run)),
        "notes": run.summary.get("notes") or [],
        "config": json.dumps(run.scenario, indent=2, ensure_ascii=False) if run.scenario else "",
        "versions": sorted((run.config.get("versions") or {}).items()),
    }
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(**sections, faults=faults)


def _certificate(run: Material) -> list[str]:
    """Return what is promised of the student's error rate, if anything."""
    found = run.summary.get("certificate")
    return sentences(found) if found else []


def _limits(run: Material) -> list[dict[str, Any]]:
    """Return what teachers' terms did not allow, a row for each kind of question."""
    return [
        {"teacher": teacher.get("id", ""), "call": call, **limit}
        for teacher in run.summary.get("teachers") or []
        for call, limit in sorted((teacher.get("limits") or {}).items())
    ]
