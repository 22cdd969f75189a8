"""A table is read as a whole; its cells are scenarios that differ as its axes say."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsa.errors import RunError, ScenarioError
from fedsa.tables.definition import find, kind_of, known, load, options_of, title_of
from fedsa.tables.few_shot.definition import load as load_few_shot
from fedsa.tables.selection.definition import load as load_selection


def test_parts_cross_their_axes_and_leave_the_others_at_the_first(small: Path) -> None:
    table = load(small)
    assert [cell.name for cell in table.cells] == ["all, few", "all, many", "two, few", "two, many"]
    (first, crossed), (second, single) = table.parts
    assert (first.title, len(crossed)) == ("First", 4)
    assert (second.title, [cell.name for cell in single]) == ("Second", ["all, many"])
    named = {cell.name: cell.scenario for cell in table.cells}
    assert named["two, few"].task.classes == ("0", "1")
    assert named["two, few"].task.labels_per_class == 1
    assert named["all, many"].task.label_share == 0.5 and named["all, many"].task.classes == ()
    assert named["all, many"].name == "small" and named["all, many"].student.steps == 40


def test_without_parts_everything_is_crossed(small: Path) -> None:
    text = small.read_text()
    start, end = text.index("[[parts]]"), text.index("[axes.target]")
    small.write_text(text[:start] + text[end:])
    assert len(load(small).cells) == 4


def test_overrides_come_after_the_settings(small: Path) -> None:
    cells = load(small, ["task.labels-per-class=2", "student.steps=7"]).cells
    assert {(c.scenario.task.labels_per_class, c.scenario.student.steps) for c in cells} == {(2, 7)}


def test_the_base_may_be_a_file_beside_the_table(small: Path) -> None:
    text = small.read_text()
    base = text[text.index("[scenario]") :].replace("[scenario]", 'name = "base"')
    (small.parent / "base.toml").write_text(base)
    head = text[: text.index("[scenario]")]
    small.write_text('scenario = "base.toml"\n' + head)
    assert {cell.scenario.name for cell in load(small).cells} == {"base"}


def test_every_fault_is_told_at_once(small: Path) -> None:
    text = small.read_text().replace('["many"]', '["some"]').replace("vary.target", "vary.kind")
    small.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        load(small)
    assert caught.value.faults == (
        "parts[1].vary: there is no axis 'kind'.",
        "parts[2].vary.labels: there is no setting 'some'; the axis has few, many.",
    )


def test_faults_of_cells_name_the_cell(small: Path) -> None:
    text = small.read_text().replace("label-share = 0.5", "label-share = 5.0")
    text = text.replace('task.classes = ["0", "1"]', "task.item = 3, task.labels-per-class = 9")
    small.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        load(small)
    told = "\n".join(caught.value.faults)
    assert "cell 'all, many': task.label-share: input should be less than" in told
    assert "cell 'two, few': task.item: there is no such key" in told
    assert "cell 'two, few': the axes 'target' and 'labels' both set task.labels-per-class" in told


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("title = ", "cannot be read"),
        ('title = "x"', "scenario: this key is required"),
        ('title = "x"\nrows = 3\nscenario = "quickstart"', "rows: there is no such key; see docs"),
        ('title = "x"\nscenario = "quickstart"\naxes.a = {}', "axes.a: it has no settings"),
    ],
)
def test_a_file_that_is_no_table_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "t.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=sentence):
        load(path)


def test_a_table_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="No table called 'none' .* single-task"):
        find("none")
    with pytest.raises(ScenarioError, match="no table's file"):
        load(tmp_path / "none.toml")


def test_the_tables_that_come_with_fedsa_are_valid() -> None:
    assert "single-task" in known()
    for path in known().values():
        assert title_of(path) != path.stem
        if kind_of(path) == "selection":
            assert load_selection(path).options.pools
        elif kind_of(path) == "few-shot":
            assert load_few_shot(path).options.settings
        else:
            assert options_of(path).title
            assert load(path).cells


def test_no_teacher_knows_a_held_out_class() -> None:
    cells = [c for c in load(find("single-task")).cells if "held-out classes" in c.name]
    assert len(cells) == 6
    for cell in cells:
        own = set(cell.scenario.task.classes)
        fashion = [t for t in cell.scenario.teachers if t.data == "fashion-mnist"]
        assert len(own) == 4 and len(fashion) == 8
        assert all(teacher.classes and not own & set(teacher.classes) for teacher in fashion)


def test_the_page_on_tables_has_one_that_works(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")
    (text,) = [block.split("```")[0] for block in page.split("```toml\n")[1:]]
    path = tmp_path / "mine.toml"
    path.write_text(text)
    assert [cell.name for cell in load(path).cells] == [
        "five a class, conv",
        "five a class, resnet8",
        "1 %, conv",
        "1 %, resnet8",
    ]


def test_who_lies_takes_no_data_from_who_is_honest() -> None:
    cells = load(find("robustness")).cells
    assert len({cell.scenario.teachers[0] for cell in cells}) == 1
    for cell in cells:
        honest, *others = cell.scenario.pool()[11:]
        assert honest.id == "honest-12" and all(not one.relevant for one in others)
        assert all(one.data != honest.data for one in others)  # shards are drawn by dataset
        share = len(others) / len(cell.scenario.pool())
        told = cell.name.split(" %")[0]
        assert share == pytest.approx(int(told) / 100 if told.isdigit() else 0.0)


def test_a_row_that_would_be_both_a_strategy_and_a_baseline_is_refused(small: Path) -> None:
    small.write_text(small.read_text().replace('"supervised", "scratch"', '"scratch", "random"'))
    with pytest.raises(ScenarioError, match="'random' is a strategy of the table and a baseline"):
        load(small)


def test_heads_that_a_task_does_not_have_are_refused(small: Path) -> None:
    text = 'heads = ["shape"]\n' + small.read_text()
    small.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        load(small)
    assert len(caught.value.faults) == 4  # every cell
    assert "cell 'all, few': heads: the task has no head 'shape'." in caught.value.faults
    small.write_text(text.replace('title = "First"', 'title = "First"\ncompare = "columns"'))
    with pytest.raises(ScenarioError, match=r"parts\[1\].compare: the columns of a table with"):
        load(small)
    small.write_text(text + "\n[axes.head]\nshape = {}\n")
    with pytest.raises(ScenarioError, match="axes.head: the columns of a table with heads"):
        load(small)
