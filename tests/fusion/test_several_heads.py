"""One student for a class, labels, a quantity and a mask; teachers of distributions and values."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from fedsa.data import resolve
from fedsa.data.transfer import TransferSet
from fedsa.errors import RunError
from fedsa.fusion import FUSIONS
from fedsa.fusion.base import Fused, Stage
from fedsa.fusion.beliefs import beliefs
from fedsa.fusion.heads import own_weights, stack_tells_more
from fedsa.fusion.stack import features, regress
from fedsa.fusion.training import outputs
from fedsa.fusion.values import filled, units
from fedsa.models import build
from fedsa.options import FusionOptions, StudentOptions
from fedsa.problem import Answers, Problem
from fedsa.prototypes.pool import TeacherEmissions
from fedsa.task import Classification, MultiLabel, Regression, Segmentation, Several
from tests.fusion.conftest import KNOWN, answer

ITEMS, LABELS = 400, 60
OPTIONS = FusionOptions(prototypes=16)
BLIND = {"digit": 0.1, "kind": 0.5, "ink": 0.0, "halves": 0.5}
"""What can be had without looking."""
WEIGHTS = {"even": 0.25, "inks": 0.25, "low": 0.25, "quarters": 0.25}


def targets(digits: Tensor, pixels: Tensor) -> Tensor:
    """Return the labels of all heads of images of 8 x 8, ``(n, 1 + 2 + 1 + 4)``."""
    ink = ((pixels.mean(dim=1) - 0.2) / 0.25).clamp(0.0, 1.0)
    halves = pixels.view(-1, 2, 4, 2, 4).mean(dim=(2, 4)).flatten(1)
    halves = (halves > halves.median(dim=0).values).float()
    kinds = torch.stack([digits % 2 == 0, digits > 4], dim=1).float()
    return torch.cat([digits[:, None].float(), kinds, ink[:, None], halves], dim=1)


@pytest.fixture(scope="module")
def made() -> tuple[Problem, Answers, Tensor]:
    """The problem, its answers, and the labels of all items."""
    data = resolve("digits")
    digits = torch.from_numpy(data.labels[:ITEMS])
    pixels = torch.from_numpy(data.inputs[:ITEMS]).flatten(1).float() / 255
    truth = targets(digits, pixels)
    task = Several(
        {
            "digit": Classification(data.classes),
            "kind": MultiLabel(("even", "high")),
            "ink": Regression(("ink",)),
            "halves": Segmentation.of(2, 2),
        }
    )
    problem = Problem(
        task=task.measured(truth[:LABELS]),
        transfer=TransferSet(pixels.numpy()),
        labelled=torch.arange(LABELS),
        labels=truth[:LABELS],
        probe=torch.arange(8),
        build=partial(build, "mlp", (64,), seed=1),
        student=StudentOptions(model="mlp", embedding=16, steps=80, batch=32),
        seed=5,
    )
    generator = torch.Generator().manual_seed(0)
    quarters = pixels.view(-1, 4, 2, 4, 2).mean(dim=(2, 4)).flatten(1)
    answers = {name: answer(digits, KNOWN[name], i) for i, name in enumerate(("even", "low"))}
    noise = 0.05 * torch.randn((ITEMS, 1), generator=generator)
    answers["inks"] = (truth[:, 3:4] + noise).clamp(0.0, 1.0)
    answers["quarters"] = quarters.clamp(0.0, 1.0)
    return problem, Answers(answers, ["inks", "quarters"]), truth


def fit(name: str, made: tuple[Problem, Answers, Tensor], stage: Stage | None = None) -> Fused:
    fusion = FUSIONS.get(name)(OPTIONS)
    return fusion.fit(made[0], made[1], WEIGHTS, stage or Stage(), {})


@pytest.mark.parametrize("name", ["prototypes", "beliefs", "multi-head", "stacking", "scratch"])
def test_every_head_learns_and_a_rerun_gives_the_same_bits(
    name: str, made: tuple[Problem, Answers, Tensor]
) -> None:
    problem, _, truth = made
    fused = fit(name, made)
    raw = outputs(fused.student, problem.inputs)
    assert isinstance(problem.task, Several)
    found = problem.task.metrics(raw[LABELS:], truth[LABELS:])
    for head, blind in BLIND.items():
        assert found[head] > blind + 0.1, (head, found)
    again = fit(name, made).student.state_dict()
    assert all(torch.equal(value, again[key]) for key, value in fused.student.state_dict().items())


@pytest.mark.parametrize("name", ["consensus", "b-plus", "cvae"])
def test_what_is_made_for_classes_says_so(name: str, made: tuple[Problem, Answers, Tensor]) -> None:
    with pytest.raises(RunError, match="made for one classification"):
        fit(name, made)


def test_what_was_not_asked_has_no_part_in_the_misfit() -> None:
    """Zeros would be answers of a teacher of values."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn((8, 5), generator=generator).softmax(dim=1)
    given = torch.rand((8, 2), generator=generator)
    given[::2] = torch.nan
    model, weights = TeacherEmissions(5, [2], [True]), torch.ones(1)
    model.requires_grad_(False)
    asked = float(model.misfit(a[1::2], given[1::2], weights)) / 2  # a mean over twice the items
    rows = filled(Answers({"values": given}, ["values"]), "values")
    assert float(model.misfit(a, rows, weights)) == pytest.approx(asked)
    assert float(model.misfit(a, rows.clamp_min(0.0), weights)) > asked


def test_a_teacher_of_values_may_be_asked_about_some_items_only(
    made: tuple[Problem, Answers, Tensor],
) -> None:
    problem, answers, truth = made
    part = {name: answers[name].clone() for name in answers}
    part["inks"][LABELS::2] = torch.nan
    fused = FUSIONS.get("prototypes")(OPTIONS).fit(
        problem, Answers(part, answers.graded), WEIGHTS, Stage(), {}
    )
    head = problem.task.heads[2]
    raw = outputs(fused.student, problem.inputs)[:, head.columns]
    assert head.task.metric(raw[LABELS::2], head.labels(truth)[LABELS::2]) > 0.6


def test_rounds_go_on_from_each_other_and_a_newcomer_may_answer_with_values(
    made: tuple[Problem, Answers, Tensor],
) -> None:
    problem, answers, _ = made
    fusion = FUSIONS.get("prototypes")(OPTIONS)
    first = fusion.fit(problem, answers, {"even": 0.5, "inks": 0.5}, Stage(1, 2), {})
    second = fusion.fit(problem, answers, WEIGHTS, Stage(2, 2), first.state)
    assert second.views["emission"].shape == (16, problem.task.outputs)
    assert {"emission.inks", "emission.quarters"} <= set(second.state)
    kept = fusion.fit(problem, answers, {"even": 1.0}, Stage(2, 2), second.state).state
    assert torch.equal(kept["emission.inks"], second.state["emission.inks"])


def test_beliefs_are_labels_where_known_and_answers_of_the_task_everywhere(
    made: tuple[Problem, Answers, Tensor],
) -> None:
    problem, answers, truth = made
    found = beliefs(problem, answers, WEIGHTS)
    torch.testing.assert_close(found[:LABELS], problem.task.truth(problem.labels))
    assert bool(((found >= 0) & (found <= 1)).all())
    digit, ink = problem.task.heads[0], problem.task.heads[2]
    torch.testing.assert_close(found[:, digit.columns].sum(dim=1), torch.ones(ITEMS))
    raw = ink.task.raw(found[:, ink.columns])
    assert ink.task.metric(raw[LABELS:], ink.labels(truth)[LABELS:]) > 0.85


def test_a_head_alone_has_the_beliefs_that_it_has_among_others(
    made: tuple[Problem, Answers, Tensor],
) -> None:
    problem, answers, _ = made
    together = beliefs(problem, answers, WEIGHTS)
    for head, alone in zip(problem.task.heads, problem.alone(), strict=True):
        torch.testing.assert_close(beliefs(alone, answers, WEIGHTS), together[:, head.columns])


def test_units_make_what_is_not_explained_a_share(made: tuple[Problem, Answers, Tensor]) -> None:
    _, answers, _ = made
    names = ["even", "quarters"]
    found = units(answers, names)
    assert found[0] == 1.0
    blind = (answers["quarters"] - answers["quarters"].mean(dim=0)).square().sum(dim=1).mean()
    torch.testing.assert_close(blind / found[1], torch.tensor(1.0))
    twice = Answers({"q": torch.cat([answers["quarters"]] * 2, dim=1)}, ["q"])
    torch.testing.assert_close(units(twice, ["q"])[0], 2 * found[1])
    constant = Answers({"q": torch.full((5, 2), 0.3)}, ["q"])
    assert float(units(constant, ["q"])[0]) > 0.0


def test_filled_tells_no_answer_from_zero() -> None:
    rows = torch.tensor([[0.0, 1.0], [torch.nan, torch.nan]])
    answers = Answers({"classes": rows, "values": rows}, ["values"])
    assert filled(answers, "classes").tolist() == [[0.0, 1.0], [0.0, 0.0]]
    assert filled(answers, "values").tolist() == [[0.0, 1.0], [-1.0, -1.0]]


def test_a_loss_is_one_for_whom_does_not_look(made: tuple[Problem, Answers, Tensor]) -> None:
    problem, _, truth = made
    labels, task = truth[:LABELS], problem.task
    blind = task.truth(labels).mean(dim=0, keepdim=True).expand(LABELS, -1)
    assert float(task.loss(task.raw(blind), labels)) == pytest.approx(4.0, rel=1e-3)


def test_a_head_whose_labels_are_all_alike_does_not_swamp_the_others() -> None:
    task = Several({"kind": Classification(("a", "b")), "flags": MultiLabel(("rare",))})
    found = task.measured(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]))
    assert found.units["flags"] == 1.0 and 0.5 < found.units["kind"] < 1.0
    same = task.measured(torch.tensor([[1.0, 1.0], [1.0, 0.0]]))
    assert same.units["kind"] == 1.0


def test_single_heads_are_problems_of_their_own(made: tuple[Problem, Answers, Tensor]) -> None:
    problem = made[0]
    names = [head.name for head, _ in problem.parts()]
    assert names == ["digit", "kind", "ink", "halves"]
    digit = problem.parts()[0][1]
    assert digit.labels.dtype == torch.int64 and digit.shares.shape == (10,)
    alone = replace(digit)
    assert [part is alone for _, part in alone.parts()] == [True]


def test_a_head_posed_by_itself_has_its_unit_and_its_labels(
    made: tuple[Problem, Answers, Tensor],
) -> None:
    problem = made[0]
    assert isinstance(problem.task, Several)
    for head, alone in zip(problem.task.heads, problem.alone(), strict=True):
        assert isinstance(alone.task, Several) and list(alone.task.tasks) == [head.name]
        (own,) = alone.task.heads
        torch.testing.assert_close(own.labels(alone.labels), head.labels(problem.labels))
        even = alone.task.truth(alone.labels).mean(dim=0, keepdim=True).expand(LABELS, -1)
        loss = alone.task.loss(alone.task.raw(even), alone.labels)
        assert float(loss) == pytest.approx(1.0, rel=1e-3)


def test_a_head_listens_to_the_teacher_that_knows_it(made: tuple[Problem, Answers, Tensor]) -> None:
    """Among many that do not, whatever the selection for all heads gave them."""
    problem, answers, truth = made
    generator = torch.Generator().manual_seed(2)
    others = {f"other-{i}": torch.rand((ITEMS, 40), generator=generator) for i in range(3)}
    pool = Answers({"even": answers["even"], "low": answers["low"], **others}, list(others))
    even = dict.fromkeys(pool, 0.2)
    head, part = problem.parts()[0]
    found = own_weights(part, pool, even)
    assert min(found["even"], found["low"]) > 3 * max(found[name] for name in others)
    alone = FusionOptions(sight=False)
    about = beliefs(problem, pool, even, alone)[LABELS:, head.columns]
    plain = beliefs(part, pool, even, alone)[LABELS:]  # by itself it takes weights as given
    truths = head.labels(truth)[LABELS:]
    right = [float((rows.argmax(dim=1) == truths).float().mean()) for rows in (about, plain)]
    assert right[0] > right[1] + 0.1


def test_who_tells_nothing_has_no_weight_though_some_classes_have_no_label(
    made: tuple[Problem, Answers, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedsa.fusion.heads.POWERS", (1,))
    problem, answers, _ = made
    _, digit = problem.parts()[0]
    some = digit.labels < 3
    few = replace(digit, labelled=digit.labelled[some], labels=digit.labels[some])
    generator = torch.Generator().manual_seed(1)
    lots = {f"lot-{i}": torch.rand((ITEMS, 10), generator=generator) for i in range(3)}
    lots = {name: rows / rows.sum(dim=1, keepdim=True) for name, rows in lots.items()}
    pool = Answers({"low": answers["low"]} | lots)
    found = own_weights(few, pool, dict.fromkeys(pool, 0.25))
    assert max(found[name] for name in lots) < 0.2 * found["low"]


def judged(made: tuple[Problem, Answers, Tensor], right: float, labels: int = LABELS) -> bool:
    """Whether the stack is taken alone where the other way gives the truth so much probability."""
    problem, answers, truth = made
    (_, digit), *_ = problem.parts()
    digits = truth[:, 0].long()
    few = replace(digit, labelled=digit.labelled[:labels], labels=digit.labels[:labels])

    def whole(rest: Problem) -> Tensor:
        assert 0 < len(rest.labelled) < labels  # it never sees all labels
        found = torch.full((ITEMS, 10), (1.0 - right) / 9)
        return found.scatter(1, digits[:, None], right)

    return stack_tells_more(few, features(answers, dict.fromkeys(answers, 0.25)), whole)


def test_the_stack_is_taken_alone_where_held_out_labels_ask_for_it(
    made: tuple[Problem, Answers, Tensor],
) -> None:
    assert judged(made, 0.1)  # what knows nothing
    assert judged(made, 0.001)  # what is wrong, and no sharpening makes right
    assert not judged(made, 0.99)
    assert not judged(made, 0.1, labels=25)  # too few to tell


def test_a_head_that_takes_the_stack_alone_has_its_beliefs(
    made: tuple[Problem, Answers, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, answers, _ = made
    weights = dict.fromkeys(answers, 0.25)
    found = []
    for alone in (True, False):
        monkeypatch.setattr("fedsa.fusion.beliefs.stack_tells_more", lambda *_, alone=alone: alone)
        found.append(beliefs(problem, answers, weights, OPTIONS))
    (_, digit), *_ = problem.parts()
    own = own_weights(digit, answers, weights)
    stack = regress(features(answers, own), digit.labelled, digit.labels, 10)
    hidden = torch.arange(LABELS, ITEMS)
    assert torch.allclose(found[0][hidden, :10], stack[hidden])
    assert not torch.allclose(found[1][hidden, :10], stack[hidden], atol=0.01)
    assert torch.equal(found[0][:, 10:], found[1][:, 10:])
    assert torch.equal(found[0][:LABELS, :10].argmax(dim=1), digit.labels)
