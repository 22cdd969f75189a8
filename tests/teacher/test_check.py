"""The check finds what is wrong with a teacher in one go, and what is worth knowing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fedsa.saliency import METHODS, QUERY_ONLY
from fedsa.teacher.check import Report, check
from fedsa.teacher.policy import accountant
from fedsa.teacher.teacher import Teacher
from tests.teacher.faulty_models import LIMIT, SECRET

Make = Callable[..., Path]
FAULTY = "tests.teacher.faulty_models"
FUNCTION = "tests.teacher.backends.functions:logits"


def _texts(report: Report, level: str) -> str:
    return "\n".join(f"{one.about}: {one.text}" for one in report.findings if one.level == level)


def _faulty(name: str) -> dict[str, str]:
    return {"factory": f"{FAULTY}:{name}", "weights": "weights.safetensors"}


def test_a_good_teacher(make_teacher: Make) -> None:
    path = make_teacher(policy={"calls": ["predict"]}, compute={"batch": 16})
    report = check(path)
    assert report.good and not _texts(report, "warning")
    assert report.card == Teacher.load(path).card
    assert {*METHODS.builtins, "answers", "memory"} == {one.about for one in report.findings}
    assert "16 items in" in _texts(report, "fact") and "49 cells" in _texts(report, "fact")


def test_every_fault_of_the_file_is_a_finding(make_teacher: Make) -> None:
    changes = {"classes": ["a", "a"], "input": {"low": 2.0}, "outputs": 2}
    report = check(make_teacher(**changes))
    assert not report.good and report.card is None
    abouts = [one.text.partition(":")[0] for one in report.findings]
    assert sorted(abouts) == ["classes", "input.high"]
    assert "no teacher file" in _texts(check(Path("none.toml")), "fault")


def test_noise_without_its_accountant_is_a_fault(
    make_teacher: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_teacher(policy={"calls": ["predict"], "noise": {"sigma": 0.1}})
    assert check(path).good
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    accountant.epsilon.cache_clear()
    report = check(path)
    assert not report.good and "pip install 'fedsa[teacher]'" in _texts(report, "fault")
    assert check(make_teacher(policy={"calls": ["predict"]})).good


@pytest.mark.parametrize("sigma", [float("inf"), float("nan"), 1e300, -1.0])
def test_noise_is_a_number_of_some_size(make_teacher: Make, sigma: float) -> None:
    path = make_teacher(policy={"noise": {"sigma": 1.0}})
    path.write_text(path.read_text().replace("sigma = 1.0", f"sigma = {sigma}"))
    (finding,) = check(path).findings
    assert finding.level == "fault" and finding.text.startswith("policy.noise.sigma: ")


def test_weights_that_do_not_fit_are_one_fault(make_teacher: Make) -> None:
    path = make_teacher()
    path.write_text(path.read_text().replace('"conv"', '"resnet8"'))
    (finding,) = check(path).findings
    assert finding.level == "fault" and "do not fit" in finding.text


@pytest.mark.parametrize(("name", "said"), [("Raises", SECRET), ("Nan", "finite numbers")])
def test_a_model_that_does_not_answer(make_teacher: Make, name: str, said: str) -> None:
    report = check(make_teacher(model=_faulty(name), saliency={"methods": ["occlusion"]}))
    assert not report.good
    faults = [one for one in report.findings if one.level == "fault"]
    assert [one.about for one in faults] == ["answers", "occlusion"] and said in faults[0].text


def test_what_is_worth_a_look(make_teacher: Make) -> None:
    one = {"methods": ["occlusion"]}
    assert "nothing but the card" in _texts(check(make_teacher(saliency=one)), "warning")
    large = check(make_teacher(model=_faulty("Large"), saliency=one))
    assert large.good and "write compute.batch = 16" in _texts(large, "warning") and LIMIT >= 16
    company = check(make_teacher(model=_faulty("Sociable"), saliency=one))
    assert company.good and "alone and in company" in _texts(company, "warning")
    name = "tests.teacher.backends.functions:load_constant"
    constant = check(make_teacher(model={"backend": name, "options": {"value": 2.0}}))
    assert "the same answer" in _texts(constant, "warning")


def test_methods_that_need_gradients(make_teacher: Make) -> None:
    model = {"callable": FUNCTION}
    report = check(make_teacher(model=model))
    assert report.card is not None and set(report.card.methods) == QUERY_ONLY
    some = check(make_teacher(model=model, saliency={"methods": ["rise", "grad-cam"]}))
    assert some.good and "grad-cam cannot be answered" in _texts(some, "warning")
    none = check(make_teacher(model=model, saliency={"methods": ["grad-cam"]}))
    assert not none.good and "no method is left" in _texts(none, "fault")
