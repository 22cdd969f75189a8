"""From teachers that nobody has shown a label to a file of items to label, and back."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from fedsa.cli import suggest as _suggest_command  # noqa: F401  (registers itself)
from fedsa.cli.main import app
from fedsa.data import resolve
from fedsa.data.splits import Split, split
from fedsa.errors import RunError
from fedsa.problem import Answers
from fedsa.runs.answers import AnswerStore
from fedsa.runs.conduct import make_problem
from fedsa.runs.folder import RunFolder
from fedsa.runs.suggest import suggest, write
from fedsa.runs.survey import survey
from strategies import STRATEGIES
from tests.strategy.conftest import LocalGrid, scenario


@pytest.fixture
def surveyed(parts: Split, pool: Path, tmp_path: Path) -> RunFolder:
    folder = RunFolder.create(tmp_path / "survey", scenario())
    survey(LocalGrid(pool), scenario(), parts, folder, STRATEGIES.get("fedsa"))
    return folder


def test_a_survey_asks_everybody_about_everything_and_leads_to_a_labelled_set(
    surveyed: RunFolder, parts: Split, tmp_path: Path
) -> None:
    assert surveyed.is_finished
    assert surveyed.summary()["answers"] == {"even": 240, "high": 240, "low": 240}
    assert not (surveyed.path / "checkpoints" / "round-01").exists()
    answers = AnswerStore(surveyed.path / "answers", 240).dense()
    found = suggest(answers, 20, seed=0)
    path = tmp_path / "labels.csv"
    data = resolve("digits-table")
    where = [data.where(int(row)) for row in parts.rows[found.items]]
    page = write(path, found, parts.transfer.array, parts.classes, where)
    assert page is None  # tables have none
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            place = int(row["where"].removeprefix("inputs[").removesuffix("]"))
            assert np.array_equal(data.inputs[place], parts.transfer.array[int(row["item"])])
    options = scenario(task={"labelled": str(path)})
    chosen = split(options)
    assert chosen.transfer.hash == parts.transfer.hash
    assert chosen.labelled.tolist() == sorted(found.items.tolist())
    assert np.array_equal(chosen.labels, parts.truth[chosen.labelled])
    assert len(set(chosen.labels.tolist())) >= 8  # teachers that know digits tell them apart
    problem = make_problem(options, chosen)
    assert problem.masses is not None
    torch.testing.assert_close(problem.masses.sum(), torch.tensor(1.0))


def test_values_are_told_apart_as_they_are() -> None:
    values = torch.tensor([[-9.0]] * 8 + [[-1.0]] * 8)  # of which no root tells anything
    answers = Answers({"one": values}, graded=frozenset({"one"}))
    found = suggest(answers, 2, seed=0)
    assert sorted(item // 8 for item in found.items.tolist()) == [0, 1]


def test_the_command_writes_the_list_from_answers_that_are_there(
    surveyed: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedsa.scenario.load", lambda *_: scenario())
    out = tmp_path / "labels.csv"
    wanted = ["--count", "12", "--out", str(out), "--answers", str(surveyed.path)]
    result = CliRunner().invoke(app, ["suggest-labels", "small.toml", *wanted])
    assert result.exit_code == 0, result.output
    assert "stands for" in result.output and f"written: {out}" in result.output.replace("\n", "")
    with out.open(newline="") as rows:
        found = list(csv.DictReader(rows))
    assert len(found) == 12 and all(row["class"] == "" for row in found)
    assert sum(float(row["mass"]) for row in found) == pytest.approx(1.0, abs=1e-4)
    out.write_text("item,class\n3,cat\n")  # filled in, perhaps by somebody dear
    result = CliRunner().invoke(app, ["suggest-labels", "small.toml", *wanted])
    assert isinstance(result.exception, RunError) and "give another name" in str(result.exception)
    assert out.read_text() == "item,class\n3,cat\n"


def test_items_that_could_not_be_tested_on_are_not_proposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "own.npz"
    rng = np.random.default_rng(0)
    labels = np.full(400, -1)
    np.savez(data, inputs=rng.random((400, 64), np.float32), labels=labels, classes=["a", "b"])
    own = scenario(task={"data": str(data), "items": 200, "test-items": 0})
    monkeypatch.setattr("fedsa.scenario.load", lambda *_: own)
    result = CliRunner().invoke(app, ["suggest-labels", "s.toml", "--out", str(tmp_path / "l.csv")])
    assert isinstance(result.exception, RunError) and "test set first" in str(result.exception)


def test_images_get_a_page_to_look_at(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    answers = Answers({"one": torch.from_numpy(rng.dirichlet([0.2] * 3, 30)).float()})
    images = rng.integers(0, 255, (30, 1, 8, 8), dtype=np.uint8)
    found = suggest(answers, 5, seed=0)
    where = [f"unlabelled/{item}.png" for item in found.items]
    page = write(tmp_path / "l.csv", found, images, ("cat", "<dog>"), where)
    assert page is not None
    html = page.read_text()
    assert all(f"<td>{place}</td>" in html for place in where)
    assert html.count("<tr><td>") == 5 and "cat, &lt;dog&gt;" in html
    assert html.count("data:image/png;base64,") >= 10


def test_what_cannot_be_suggested_is_refused() -> None:
    with pytest.raises(RunError, match="No teacher has answered"):
        suggest(Answers({"one": torch.full((4, 2), torch.nan)}), 2, seed=0)
    with pytest.raises(RunError, match="has 4 items"):
        suggest(Answers({"one": torch.full((4, 2), 0.5)}), 5, seed=0)
