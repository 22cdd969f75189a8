from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedsa.errors import RunError
from fedsa.runs import report
from fedsa.runs.report.curves import _spread
from fedsa.runs.report.material import read
from fedsa.runs.report.pictures import overlaid, picture
from fedsa.runs.report.prototypes import _covering
from fedsa.runs.report.spending import size

SECTIONS = (
    "Accuracy per round",
    "Who was asked, and why",
    "Where they look",
    "Prototypes",
    "What is taken for what",
    "What it cost",
    "What went wrong on the way",
    "How it was set up",
)


class Page(HTMLParser):
    """Collects headings, tags and the addresses that a page refers to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.headings: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "action", "data")]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "h2" and data.strip():
            self.headings.append(data.strip())
            self.tags.append("#text")


def page(folder: Path) -> tuple[str, Page]:
    html = report.write(folder).read_text(encoding="utf-8")
    return html, Page(html)


def edit(folder: Path, name: str, **changes: object) -> None:
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_finished_run_has_every_section(run_folder: Path) -> None:
    html, parsed = page(run_folder)
    assert tuple(parsed.headings) == SECTIONS
    assert "Left out" not in html
    assert ">83.6<" in html and ">+13.4<" in html  # the student, and its lead over scratch
    assert html.count("decoy</span>") == 3 + 2 + 3  # one of the three gave no maps
    assert "square taken for frame" in html
    assert "47.0 MB" in html and "everything else 10.0 s" in html
    assert not (run_folder / "report.html.part").exists()


def test_a_certificate_is_told_beside_the_accuracy(run_folder: Path) -> None:
    assert "Certificate" not in page(run_folder)[0]
    seen = {"errors": 17, "bound": 0.2123}
    drawn = {"error": 0.15, "divergence": 0.25, "bound": 0.2449}
    found = {"labels": 120, "delta": 0.05, "student": seen, "randomised": drawn}
    edit(run_folder, "summary.json", certificate=found)
    html, _ = page(run_folder)
    assert (
        "Certificate: error at most 21.2 % with probability 0.95 (17 errors on 120 labels" in html
    )
    assert "at most 24.5 % with probability 0.95 for the student with drawn emissions" in html
    edit(run_folder, "summary.json", certificate=found | {"randomised": None})
    assert page(run_folder)[0].count("Certificate:") == 1


def test_the_page_is_self_contained(run_folder: Path) -> None:
    html, parsed = page(run_folder)
    assert parsed.addresses and all(a.startswith("data:image/") for a in parsed.addresses)
    assert "script" not in parsed.tags and "link" not in parsed.tags
    assert not re.search(r"url\(|@import", html)
    for address in parsed.addresses:
        kind, _, content = address.partition(";base64,")
        start = base64.b64decode(content)[:5]
        assert start == (b"<?xml" if "svg" in kind else b"\x89PNG\r")


def test_the_same_run_gives_the_same_page(run_folder: Path) -> None:
    assert page(run_folder)[0] == page(run_folder)[0]


def test_what_comes_from_outside_is_escaped(run_folder: Path) -> None:
    evil = "<script>alert('x')</script>"
    with (run_folder / "events.jsonl").open("a") as stream:
        event = {"event": "failure", "teacher": evil, "code": evil, "sentence": evil}
        stream.write(json.dumps(event) + "\n")
    edit(run_folder, "config.json", scenario={"name": evil}, versions={evil: evil})
    edit(run_folder, "summary.json", status=evil, scenario=evil, strategy=evil)
    edit(run_folder, "summary.json", teachers=[{"id": evil, "relevant": False, "queries": 1}])
    html, parsed = page(run_folder)
    assert "script" not in parsed.tags
    assert "&lt;script&gt;" in html


def test_a_class_name_with_signs_is_drawn_as_it_is(run_folder: Path) -> None:
    names = ["$\\frac{", "<b>&", "", "é", "x" * 99, "$1", "$2$", "a_b", "c^d", "\\"]
    edit(run_folder, "summary.json", task={"kind": "classification", "classes": names})
    assert "Left out" not in page(run_folder)[0]


def test_an_unfinished_run_says_how_far_it_came(run_folder: Path) -> None:
    (run_folder / "summary.json").unlink()
    (run_folder / "artefacts.npz").unlink()
    lines = (run_folder / "events.jsonl").read_text().splitlines()
    cut = [line for line in lines if '"round": 3' not in line and '"round": 4' not in line][:-2]
    (run_folder / "events.jsonl").write_text("\n".join(cut) + '\n{"event": "rou')
    html, parsed = page(run_folder)
    assert "not finished: 2 of 4 rounds done" in html
    assert ">81.2<" in html  # the last student's accuracy
    assert parsed.headings == [SECTIONS[0], SECTIONS[1], SECTIONS[-1]]


def test_a_run_that_just_started(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text('{"event": "started"}\n')
    html, parsed = page(tmp_path)
    assert "no round done yet" in html and "No accuracy has been measured yet" in html
    assert parsed.headings == []


def test_a_run_that_stopped_says_why_until_it_goes_on(run_folder: Path) -> None:
    path = run_folder / "events.jsonl"
    with path.open("a") as stream:
        stream.write('{"event": "error", "sentence": "No teacher can be reached."}\n')
    assert "The run stopped: No teacher can be reached." in page(run_folder)[0]
    with path.open("a") as stream:
        stream.write('{"event": "started"}\n')
    assert "The run stopped" not in page(run_folder)[0]


def test_coverage_is_named_after_its_own_teachers(run_folder: Path) -> None:
    run = read(run_folder)
    assert _covering(run, len(run.arrays["teacher_ids"])) == list(run.arrays["teacher_ids"])
    last = run.summary["rounds"][-1]["selected"]
    assert _covering(run, len(last)) == last and len(last) < len(run.arrays["teacher_ids"])
    run.arrays["coverage_ids"] = np.array(["x", "y"])  # type: ignore[index]
    assert _covering(run, 2) == ["x", "y"]
    assert _covering(run, 3) == ["row 1", "row 2", "row 3"]


def test_a_resumed_run_shows_each_round_once(run_folder: Path) -> None:
    before = page(run_folder)[0]
    path = run_folder / "events.jsonl"
    lines = path.read_text().splitlines()
    again = [line for line in lines if '"event": "selection"' in line or '"event": "round"' in line]
    path.write_text("\n".join(again[2:6] + lines) + "\n")
    assert page(run_folder)[0] == before


def test_tables_have_no_pictures_of_items(run_folder: Path) -> None:
    with np.load(run_folder / "artefacts.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    del arrays["nearest_images"]
    arrays["probe_images"] = np.zeros((8, 30), dtype=np.float32)
    np.savez(run_folder / "artefacts.npz", **arrays)
    html, parsed = page(run_folder)
    assert "Where they look" not in parsed.headings and "Prototypes" in parsed.headings
    assert "<br>items " in html and "Left out" not in html


@pytest.mark.parametrize("name", ["emission", "coverage", "nearest", "confusion", "student_maps"])
def test_any_array_may_be_missing(run_folder: Path, name: str) -> None:
    with np.load(run_folder / "artefacts.npz") as archive:
        arrays = {key: archive[key] for key in archive.files if key != name}
    np.savez(run_folder / "artefacts.npz", **arrays)
    html, parsed = page(run_folder)
    assert "Left out" not in html
    missing = {"confusion": {"What is taken for what"}}.get(name, set())
    assert set(SECTIONS) - set(parsed.headings) == missing


def test_a_spoiled_section_does_not_cost_the_page(run_folder: Path) -> None:
    np.savez(run_folder / "artefacts.npz", emission=np.ones((4, 3)), coverage=np.ones((2, 5)))
    html, parsed = page(run_folder)
    assert "Left out" in html and "disagree on the number of prototypes" in html
    assert "Prototypes" not in parsed.headings and "What it cost" in parsed.headings
    (run_folder / "artefacts.npz").write_bytes(b"PK\x03\x04 cut short")
    assert "Accuracy per round" in page(run_folder)[1].headings


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        report.write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_pickled_arrays_are_not_loaded(run_folder: Path) -> None:
    np.savez(run_folder / "artefacts.npz", confusion=np.array([{}, None], dtype=object))
    assert "What is taken for what" not in page(run_folder)[1].headings


def test_labels_are_spread_but_stay_in_order() -> None:
    assert _spread([1.0, 5.0, 9.0], 2.0) == [1.0, 5.0, 9.0]
    assert _spread([5.0, 5.0], 2.0) == [4.0, 6.0]
    assert _spread([5.5, 0.0, 4.5, 5.0], 2.0) == [7.0, 0.0, 3.0, 5.0]


def test_a_map_brightens_where_it_is_strong() -> None:
    image = np.zeros((1, 28, 28))
    attribution = np.zeros(49)
    attribution[0] = 1.0  # the upper left cell
    drawn = overlaid(image, attribution)
    assert drawn.shape == (84, 84, 3)
    assert drawn[2, 2].sum() > 2.0 and drawn[70, 70] == pytest.approx([0.35] * 3)
    assert np.ptp(overlaid(image, np.full(49, np.nan))) == 0.0
    with pytest.raises(ValueError, match="square grid"):
        overlaid(image, np.ones(30))


def test_pictures_are_enlarged_by_whole_factors() -> None:
    image = np.arange(12.0).reshape(3, 2, 2) / 11
    drawn = picture(image, tile=5)
    assert drawn.shape == (6, 6, 3)
    assert np.array_equal(drawn[::3, ::3], image.transpose(1, 2, 0))
    Image.fromarray((drawn * 255).astype(np.uint8))


def test_sizes_as_people_read_them() -> None:
    assert [size(n) for n in (0, 999, 1000, 47_040_000, 2e12)] == [
        "0 B", "999 B", "1.0 kB", "47.0 MB", "2.0 TB",
    ]  # fmt: skip
    assert size(None) == "unknown"


def test_prototypes_that_no_item_belongs_to_are_left_out(run_folder: Path) -> None:
    with np.load(run_folder / "artefacts.npz") as archive:
        arrays = dict(archive)
    usage = np.full(64, 1e-5)
    usage[:6] = (1 - usage[6:].sum()) / 6
    np.savez_compressed(run_folder / "artefacts.npz", **arrays, usage=usage)
    html, _ = page(run_folder)
    assert "64 prototypes, 6 of them in use" in html and html.count("<figure>") == 6
    assert "Nearest transfer items of each prototype" in html


def test_the_terms_that_a_run_met_are_told(run_folder: Path) -> None:
    summary = json.loads((run_folder / "summary.json").read_text())
    assert "Within whose terms" not in page(run_folder)[0]
    summary["notes"] = ["The baselines <uniform> came later."]
    (run_folder / "summary.json").write_text(json.dumps(summary))
    html = page(run_folder)[0]
    assert "<h2>To know</h2>" in html and "Within whose terms" not in html
    summary["teachers"][0]["limits"] = {"predict": {"wanted": 5_600, "left": 77}}
    (run_folder / "summary.json").write_text(json.dumps(summary))
    html = page(run_folder)[0]
    for told in ("Within whose terms", ">5600<", ">77<", "&lt;uniform&gt; came later"):
        assert told in html
