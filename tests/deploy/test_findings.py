"""What a check calls wrong, and how grave that is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fedsa import __version__
from fedsa.deploy.findings import Problem, Seen, needs, problems
from fedsa.messages import Card, Cost, Limit, Terms
from fedsa.messages.failures import sentence_of
from fedsa.scenario import Scenario, load
from tests.launcher.commands import scenario

TERMS = Terms(
    (Limit("predict", 500, 500), Limit("score", 500, 500), Limit("saliency", 500, 500)), "day"
)
CARD = Card(
    "mint", "classification", 2, None, (64,), "mlp", True, ("occlusion",), 7, 4, "0" * 64, "", TERMS
)
SEEN = Seen(1, "north", cards=(CARD,), software=f"fedsa {__version__}", offered=(("mint", "more"),))


@pytest.fixture
def tiny(tmp_path: Path) -> Scenario:
    return load(scenario(tmp_path / "tiny.toml", saliency__method="occlusion"))


def _found(seen: list[Seen], tiny: Scenario | None = None) -> list[Problem]:
    """Return what is wrong but for what cannot be seen: whether the set is approved."""
    return [one for one in problems(seen, tiny) if one.who != "transfer set"]


def test_nothing_is_wrong_with_what_is_right(tiny: Scenario) -> None:
    open_ = replace(CARD, terms=replace(TERMS, sets="any"))
    assert _found([replace(SEEN, cards=(open_,))], tiny) == []
    assert _found([SEEN]) == []


@pytest.mark.parametrize("status", ["more", "held"])
def test_whether_a_set_that_is_taken_is_approved_cannot_be_seen(
    tiny: Scenario, status: str
) -> None:
    both = replace(SEEN, node=2, name="south", cards=(replace(CARD, id="lime"),))
    (problem,) = problems(
        [
            replace(SEEN, offered=(("mint", status),)),
            replace(both, offered=(("lime", status),)),
        ],
        tiny,
    )
    assert problem.who == "transfer set" and not problem.grave
    assert "by lime, mint; whether it is approved there cannot be seen" in problem.sentence


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("coordinator", "does not answer this coordinator"),
        ("closed", "answers on other days only"),
        ("refused", ""),
        ("", ""),
    ],
)
def test_calls_that_are_all_shut_are_no_spent_budget(tiny: Scenario, code: str, part: str) -> None:
    shut = replace(CARD, terms=replace(TERMS, limits=()))
    for known in (tiny, None):
        offered = (("mint", code),) if code and known else ()
        (problem,) = _found([replace(SEEN, cards=(shut,), offered=offered)], known)
        assert problem.grave and problem.who == "mint"
        assert "shut to you (by its calls, its coordinators or its dates)" in problem.sentence
        assert (part if known else "") in problem.sentence


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("storage", sentence_of("storage")),
        ("late", "It did not take the transfer set (late)."),
    ],
)
def test_another_code_has_its_own_sentence(tiny: Scenario, code: str, sentence: str) -> None:
    (problem,) = _found([replace(SEEN, offered=(("mint", code),))], tiny)
    assert problem == Problem("mint", sentence)


def test_nobody_is_there() -> None:
    (problem,) = _found([])
    assert problem.grave and problem.who == "federation" and "registered" in problem.sentence


def test_a_node_that_does_not_answer_is_told_with_its_reason() -> None:
    (problem,) = _found([Seen(5, code="unreachable", sentence="Its gateway is down.")])
    assert problem == Problem("node 5", "Its gateway is down.")


def test_an_id_that_two_nodes_have() -> None:
    (problem,) = _found([SEEN, replace(SEEN, node=2, name="south")])
    assert problem.who == "mint" and "north, south" in problem.sentence and problem.grave


@pytest.mark.parametrize(
    ("seen", "part"),
    [
        (replace(SEEN, software="fedsa 0.0.1"), "runs fedsa 0.0.1"),
        (replace(SEEN, clock=90.0, uncertain=3.0), "90 s ahead"),
        (replace(SEEN, clock=-90.0, uncertain=3.0), "90 s behind"),
    ],
)
def test_versions_and_clocks_are_not_grave(seen: Seen, part: str) -> None:
    (problem,) = _found([seen])
    assert part in problem.sentence and not problem.grave


def test_a_slow_message_is_no_wrong_clock() -> None:
    assert _found([replace(SEEN, clock=30.0, uncertain=30.0)]) == []


@pytest.mark.parametrize("code", ["not-approved", "refused"])
def test_a_set_that_is_not_approved(tiny: Scenario, code: str) -> None:
    (problem,) = _found([replace(SEEN, offered=(("mint", code),))], tiny)
    assert problem.grave and "hash approved" in problem.sentence


def test_a_set_that_there_is_no_room_for(tiny: Scenario) -> None:
    (problem,) = _found([replace(SEEN, offered=(("mint", "room"),))], tiny)
    assert problem.grave and "make room" in problem.sentence and "approved" not in problem.sentence


def test_budgets_that_are_small_or_shut(tiny: Scenario) -> None:
    assert needs(tiny) == {"predict": 300, "score": 32, "saliency": 8}
    small = replace(TERMS, limits=(Limit("predict", 500, 299), *TERMS.limits[1:]))
    (problem,) = _found([replace(SEEN, cards=(replace(CARD, terms=small),))], tiny)
    assert "299 items, and up to 300" in problem.sentence and not problem.grave
    shut = replace(TERMS, limits=TERMS.limits[1:2])
    found = _found([replace(SEEN, cards=(replace(CARD, terms=shut),))], tiny)
    assert {(p.grave, "'predict'" in p.sentence) for p in found} == {(True, True), (False, False)}


def test_a_look_is_charged_as_the_passes_that_it_takes(tiny: Scenario) -> None:
    assert needs(tiny, 50) == {"predict": 300, "score": 16 * 51, "saliency": 400}
    found = []
    for budget in (16 * 50 - 1, 16 * 50, 16 * 51):
        limits = (TERMS.limits[0], Limit("score", 5000, budget), TERMS.limits[2])
        dear = replace(TERMS, limits=limits, costs=(Cost("occlusion", 50),))
        found.append(_found([replace(SEEN, cards=(replace(CARD, terms=dear),))], tiny))
    assert [len(some) for some in found] == [1, 1, 0]
    assert "first look is charged as 800: it is judged without looks" in found[0][0].sentence
    assert "800 items, and up to 816 are wanted" in found[1][0].sentence


def test_looks_that_a_teacher_does_not_give(tiny: Scenario) -> None:
    rough = replace(CARD, methods=("rise",), grid=2)
    found = _found([replace(SEEN, cards=(rough,))], tiny)
    assert len(found) == 2 and not any(p.grave for p in found)


def test_a_simulated_teacher_is_not_metered(tiny: Scenario) -> None:
    assert _found([replace(SEEN, cards=(replace(CARD, terms=None),))], tiny) == []
