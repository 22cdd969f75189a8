"""The guard: who is heard, about what, what it costs, and what is written down of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsa.data.transfer import content_hash
from fedsa.messages import (
    Describe,
    Described,
    Failure,
    Limit,
    Offer,
    Offered,
    Predict,
    Predicted,
    Saliency,
    Salient,
    Score,
    Scored,
    answers,
    offers,
)
from fedsa.policy import PolicySection
from fedsa.saliency.compact import CompactMaps
from fedsa.teacher.policy import audit, refusals
from fedsa.teacher.policy.guard import Guard
from fedsa.teacher.policy.office import Office
from fedsa.teacher.teacher import Teacher
from tests.teacher.policy.conftest import Clock, Counting, Desk, section

MakeDesk = Callable[..., Desk]
LAST = np.arange(10)


def _code(reply: Any) -> str:
    assert isinstance(reply, Failure), reply
    return reply.code


def _predict(desk: Desk, which: Any = LAST, **options: Any) -> Any:
    return desk(Predict("mint", desk.set_hash, np.asarray(which)), **options)


def _last(desk: Desk) -> dict[str, Any]:
    return list(audit.show(desk.office.folder))[-1]


def test_nothing_is_open_unless_it_is_said(mint: Teacher, office: Office, items: Any) -> None:
    desk = Desk(Guard(mint, PolicySection(), office), office, items)
    maps = CompactMaps(np.ones((2, 49), dtype=np.uint8), 4)
    two = np.array([0, 1])
    questions = [
        Predict("mint", desk.set_hash, two),
        Saliency("mint", desk.set_hash, two, "occlusion", 7, 4),
        Score("mint", desk.set_hash, two, "occlusion", maps),
        Offer("mint", desk.set_hash, "uint8", items.shape),
    ]
    assert [_code(desk(question)) for question in questions] == ["refused"] * 4
    cards = desk(Describe())
    assert isinstance(cards, Described) and cards.cards[0].terms is not None
    assert cards.cards[0].terms.limits == () and office.spent() == []


def test_a_policy_needs_records(mint: Teacher) -> None:
    with pytest.raises(ValueError, match="office"):
        Guard(mint, section())


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("refused", {"calls": ["score"]}),
        ("coordinator", {"coordinators": ["south"]}),
        ("coordinator", {"coordinators": []}),
        ("closed", {"begins": "2026-02-15"}),
        ("closed", {"ends": "2026-02-13"}),
        ("not-approved", {"any-set": False}),
        ("not-approved", {"any-set": False, "sets": ["0" * 64]}),
        ("budget", {"budget": {"predict": 9}}),
    ],
)
def test_what_is_refused_spends_nothing_and_is_written_down(
    open_desk: MakeDesk,
    mint: Teacher,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    changes: dict[str, Any],
) -> None:
    desk = open_desk(**changes)
    counting = Counting(mint, monkeypatch)
    assert _code(_predict(desk)) == code
    assert desk.office.spent() == [] and counting.items == 0
    record = _last(desk)
    assert record["outcome"] == code and record["charged"] == 0 and record["caller"] == "north"


def test_the_first_thing_that_is_wrong_is_told(open_desk: MakeDesk) -> None:
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("refused", {"calls": []}),
        ("coordinator", {"coordinators": []}),
        ("closed", {"ends": "2020-01-01"}),
        ("not-approved", {"any-set": False}),
        ("indices", {}),
        ("budget", {"budget": {"predict": 1}}),
    ]
    for k, (code, _) in enumerate(wrong):
        changes: dict[str, Any] = {}
        for _, change in wrong[k:]:
            changes |= change
        beyond = [0, 1, 999] if k <= 4 else [0, 1]
        assert _code(_predict(open_desk(**changes), beyond)) == code


def test_days_are_open_from_their_first_moment_to_their_last(
    open_desk: MakeDesk, clock: Clock
) -> None:
    desk = open_desk(begins="2026-03-01", ends="2026-03-31")
    begin = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    end = datetime(2026, 4, 1, tzinfo=UTC).timestamp()
    for now, is_open in [(begin - 1, False), (begin, True), (end - 1, True), (end, False)]:
        clock.now = now
        card = desk.guard.card_for("north")
        assert card.terms is not None and bool(card.terms.limits) == is_open
        assert isinstance(_predict(desk), Predicted) == is_open


def test_answers_are_debited_once_and_free_from_then_on(
    open_desk: MakeDesk, mint: Teacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk(budget={"predict": 12})
    counting = Counting(mint, monkeypatch)
    first = _predict(desk, [0, 1, 2, 1, 0, 1])
    assert desk.spent() == 3 == counting.items
    again = _predict(desk, [2, 1, 0])
    assert np.array_equal(first.answers.values[:3], again.answers.values[::-1])
    assert np.array_equal(first.answers.values[[1, 0]], first.answers.values[[3, 4]])
    assert desk.spent() == 3 == counting.items
    _predict(desk, range(10))
    assert desk.spent() == 10 == counting.items


def test_equal_items_of_two_sets_are_one(
    open_desk: MakeDesk, items: np.ndarray, office: Office
) -> None:
    desk = open_desk()
    _predict(desk)
    other = Desk(desk.guard, office, np.concatenate([items[::-1], items[:1] // 2]))
    assert isinstance(_predict(other, range(11)), Predicted)
    assert desk.spent() == 11


def test_nobody_gets_for_free_what_another_has_paid_for(
    open_desk: MakeDesk, mint: Teacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk(budget={"predict": 10}, noise={"sigma": 0.1})
    mine, theirs = _predict(desk), _predict(desk, caller="south")
    assert desk.spent("north") == 10 == desk.spent("south")
    assert np.array_equal(mine.answers.values, theirs.answers.values)  # two gain nothing together


def test_a_question_that_does_not_fit_spends_nothing_at_all(open_desk: MakeDesk) -> None:
    rows = np.random.default_rng(1).integers(0, 256, (700, 1, 12, 12), dtype=np.uint8)
    desk = open_desk(budget={"predict": 699})
    large = Desk(desk.guard, desk.office, rows)
    assert _code(_predict(large, range(700))) == "budget" and large.spent() == 0
    assert isinstance(_predict(large, range(600)), Predicted)
    assert _code(_predict(large, range(500, 700))) == "budget" and large.spent() == 600
    assert isinstance(_predict(large, range(501, 699)), Predicted) and large.spent() == 699
    charges = [r["charged"] for r in audit.show(desk.office.folder) if r["event"] == "charge"]
    assert charges == [256, 256, 88, 99]


def test_a_cancelled_question_stops_between_batches_and_goes_on_later(
    open_desk: MakeDesk, mint: Teacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.random.default_rng(1).integers(0, 256, (1200, 1, 12, 12), dtype=np.uint8)
    desk = open_desk(budget={"predict": 2000})
    large = Desk(desk.guard, desk.office, rows)
    counting = Counting(mint, monkeypatch)
    reply = _predict(large, range(1200), cancelled=lambda: counting.items >= 512)
    assert _code(reply) == "cancelled" and counting.items == 512
    assert 512 <= large.spent() <= 768 and _last(large)["outcome"] == "cancelled"
    spent = large.spent()
    assert isinstance(_predict(large, range(1200)), Predicted)
    assert large.spent() == spent + 1200 - 512 and counting.items == 1200
    assert _code(_predict(large, [0], cancelled=lambda: True)) == "cancelled"


def test_averaging_gains_nothing(open_desk: MakeDesk, office: Office) -> None:
    desk = open_desk(noise={"sigma": 0.3})
    first = _predict(desk).answers.values
    exact = _predict(open_desk()).answers.dense()
    replies = []
    for turn in range(200):
        if turn % 50 == 49:  # even if the institution loses what it has answered
            with office.cache._lock:
                office.cache._db.execute("DELETE FROM answers")
        which = np.random.default_rng(turn).permutation(10)[: 1 + turn % 10]
        values = _predict(desk, which).answers.values
        assert np.array_equal(values, first[which])
        replies.append(values)
    assert np.abs(_predict(desk).answers.dense() - exact).mean() > 0.05


def test_another_institution_has_other_noise(
    open_desk: MakeDesk, mint: Teacher, tmp_path: Path, items: np.ndarray
) -> None:
    one = open_desk(noise={"sigma": 0.3})
    office = Office(tmp_path / "other")
    two = Desk(Guard(mint, section(noise={"sigma": 0.3}), office), office, items)
    assert not np.array_equal(_predict(one).answers.values, _predict(two).answers.values)


def test_a_finer_form_than_policies_let_out(open_desk: MakeDesk) -> None:
    desk = open_desk()
    assert _code(desk(Predict("mint", desk.set_hash, LAST, "float16"))) == "refused"
    assert desk.spent() == 0


def test_the_policy_shapes_answers_and_the_fingerprint(mint: Teacher, office: Office) -> None:
    def fingerprint(**changes: Any) -> str:
        return Guard(mint, section(**changes), office).card.fingerprint

    plain = fingerprint()
    assert plain == fingerprint(budget={"predict": 3}, calls=["predict"], ends="2030-01-01")
    others = [
        fingerprint(answers={"temperature": 2.0}),
        fingerprint(answers={"top-k": 2}),
        fingerprint(answers={"bits": 4}),
        fingerprint(noise={"sigma": 0.1}),
        Guard(mint).card.fingerprint,
    ]
    assert len({plain, *others}) == 6
    assert fingerprint(noise={"delta": 1e-3}) == plain


def test_answers_have_the_form_of_the_policy(open_desk: MakeDesk) -> None:
    desk = open_desk(answers={"top-k": 1, "bits": 7, "temperature": 1.1})
    values = _predict(desk).answers.values
    exact = _predict(open_desk()).answers.values
    assert np.array_equal(values.argmax(axis=1), exact.argmax(axis=1))
    assert all(len(np.unique(row)) <= 2 for row in values)


def test_the_card_says_it_all(open_desk: MakeDesk, clock: Clock) -> None:
    desk = open_desk(
        calls=["score", "predict"],
        budget={"predict": 20, "score": 5000, "saliency": 77, "window": "month"},
        answers={"temperature": 2.0, "top-k": 2, "bits": 6},
        noise={"sigma": 0.5, "delta": 1e-6},
    )
    _predict(desk, [0, 1, 2])
    reply = desk(Describe())
    assert isinstance(reply, Described)
    terms = reply.cards[0].terms
    assert terms is not None
    assert terms.limits == (Limit("predict", 20, 17), Limit("score", 5000, 5000))
    assert (terms.window, terms.temperature, terms.top_k, terms.bits) == ("month", 2.0, 2, 6)
    assert (terms.sets, terms.sigma, terms.delta) == ("any", 0.5, 1e-6)
    from fedsa.teacher.policy.accountant import epsilon

    # Any map may be one of the cheapest method, charged as a single item.
    assert terms.epsilon == epsilon(0.5, 20 + 5000, 1e-6) > 0
    assert {cost.method: cost.items for cost in terms.costs} == {"occlusion": 50, "rise": 97}
    assert terms.left("score", "occlusion") == 100 and terms.left("score", "grad-cam") == 5000
    clock.now += 30 * 86_400
    again = desk.guard.card_for("north").terms
    assert again is not None and again.left("predict") == 20
    other = desk.guard.card_for("south").terms
    assert other is not None and other.left("predict") == 20


def test_a_map_by_perturbation_is_charged_as_the_passes_that_it_takes(
    open_desk: MakeDesk, mint: Teacher
) -> None:
    desk = open_desk(budget={"saliency": 150})
    passes = 0
    module = mint.backend.module
    assert module is not None

    def count(_module: Any, inputs: Any) -> None:
        nonlocal passes
        passes += len(inputs[0])

    handle = module.register_forward_pre_hook(count)
    reply = desk(Saliency("mint", desk.set_hash, np.array([0, 1]), "occlusion", 7, 4))
    handle.remove()
    assert isinstance(reply, Salient) and desk.spent(call="saliency") == 100 == passes
    assert _code(desk(Saliency("mint", desk.set_hash, np.array([2, 3]), "occlusion", 7, 4))) == (
        "budget"
    )
    assert desk.spent(call="saliency") == 100
    grad = Saliency("mint", desk.set_hash, np.arange(10), "gradient-x-input", 7, 4)
    assert isinstance(desk(grad), Salient) and desk.spent(call="saliency") == 110


def test_maps_equal_those_of_the_teacher_and_noise_changes_them(
    open_desk: MakeDesk, mint: Teacher, items: np.ndarray
) -> None:
    for method in ("occlusion", "gradient-x-input"):
        question = Saliency("mint", content_hash(items), LAST, method, 5, 3)
        plain = open_desk()(question)
        assert isinstance(plain, Salient)
        wanted = mint.compact_maps(items, method, 5, 3)
        assert np.array_equal(plain.maps.values, wanted.values)
        desk = open_desk(noise={"sigma": 0.05})
        noisy, again = desk(question), desk(question)
        assert isinstance(noisy, Salient) and isinstance(again, Salient)
        assert np.array_equal(noisy.maps.values, again.maps.values)
        assert not np.array_equal(noisy.maps.values, wanted.values)


def test_each_new_score_is_charged_but_maps_only_once(open_desk: MakeDesk) -> None:
    desk = open_desk(budget={"score": 10_000, "saliency": 10_000}, noise={"sigma": 0.01})
    look = Saliency("mint", desk.set_hash, LAST, "occlusion", 7, 4)
    own = desk(look)
    assert isinstance(own, Salient)
    question = Score("mint", desk.set_hash, LAST, "occlusion", own.maps)
    assert desk(question) == Scored(1.0)  # computed from the very maps that would leave
    assert desk.spent(call="score") == 500
    assert desk(question) == Scored(1.0) and desk.spent(call="score") == 500
    other = CompactMaps(own.maps.values[::-1].copy(), 4)
    first = desk(Score("mint", desk.set_hash, LAST, "occlusion", other))
    assert isinstance(first, Scored) and first.closeness < 1.0
    assert desk.spent(call="score") == 510
    assert desk(Score("mint", desk.set_hash, LAST, "occlusion", other)) == first
    assert desk.spent(call="score") == 510 and desk.spent(call="saliency") == 500


@pytest.mark.parametrize("cells", [36, 48, 50])
def test_maps_of_another_shape_cost_nothing(open_desk: MakeDesk, cells: int) -> None:
    desk = open_desk()
    maps = CompactMaps(np.ones((10, cells), dtype=np.uint8), 4)
    reply = desk(Score("mint", desk.set_hash, LAST, "occlusion", maps))
    if cells == 36:
        assert isinstance(reply, Scored)  # a coarser grid is answered
    else:
        assert _code(reply) in ("shape", "refused") and desk.spent(call="score") == 0


@pytest.mark.parametrize(
    ("method", "grid", "bits", "code"),
    [("lime", 7, 4, "method"), ("rise", 8, 4, "refused"), ("rise", 7, 5, "refused")],
)
def test_finer_maps_than_the_card_says_cost_nothing(
    open_desk: MakeDesk, method: str, grid: int, bits: int, code: str
) -> None:
    desk = open_desk()
    assert _code(desk(Saliency("mint", desk.set_hash, LAST, method, grid, bits))) == code
    assert desk.office.spent() == [] and _last(desk)["outcome"] == code


def test_more_answers_than_a_reply_has_room_for_cost_nothing(
    open_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk()
    monkeypatch.setattr(answers, "MAX_REPLY_BYTES", 5 * 3)
    assert _code(_predict(desk)) == "indices"
    assert desk.office.spent() == [] and _last(desk)["outcome"] == "indices"
    assert isinstance(_predict(desk, LAST[:5]), Predicted) and desk.spent() == 5


def test_items_that_the_model_cannot_take_cost_nothing(open_desk: MakeDesk, office: Office) -> None:
    desk = open_desk()
    rows = np.random.default_rng(0).normal(size=(4, 13)).astype(np.float32)
    assert _code(_predict(Desk(desk.guard, office, rows), [0, 1])) == "shape"
    images = np.zeros((3, 1, 12, 12), dtype=np.float32)
    images[1, 0, 3, 3] = np.nan
    holes = Desk(desk.guard, office, images)
    assert _code(_predict(holes, [0, 1])) == "malformed" and desk.office.spent() == []
    assert isinstance(_predict(holes, [0, 2]), Predicted)


def test_a_model_that_fails_is_written_down_with_what_it_cost(
    open_desk: MakeDesk, mint: Teacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk()

    def fail(inputs: Any) -> Any:
        raise RuntimeError("no such weights")

    monkeypatch.setattr(mint.backend, "forward", fail)
    assert _code(_predict(desk)) == "model"
    record = _last(desk)
    assert (record["outcome"], record["charged"]) == ("model", 10)
    assert audit.verify(desk.office.folder) == []


def test_what_left_is_written_down(open_desk: MakeDesk) -> None:
    import hashlib

    desk = open_desk(noise={"sigma": 0.1})
    _predict(desk, [3, 1])
    charge, reply = list(audit.show(desk.office.folder))[-2:]
    assert (charge["event"], charge["charged"], charge["day"]) == ("charge", 2, "2026-02-14")
    assert charge["question"] == reply["question"]
    wanted = {
        "event": "reply",
        "caller": "north",
        "teacher": "mint",
        "call": "predict",
        "set": desk.set_hash,
        "count": 2,
        "indices": hashlib.sha256(np.array([3, 1], "<i4").tobytes()).hexdigest(),
        "charged": 2,
        "outcome": "answered",
        "fingerprint": desk.guard.card.fingerprint,
        "form": {"temperature": 1.0, "top-k": 0, "bits": 8, "sigma": 0.1},
    }
    assert {key: reply[key] for key in wanted} == wanted


def test_refusals_without_end_do_not_fill_the_disk(
    open_desk: MakeDesk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "MOST", 5)
    desk = open_desk(coordinators=["south"])
    for _ in range(40):
        assert _code(_predict(desk, [0])) == "coordinator"
    assert isinstance(_predict(desk, [0], caller="south"), Predicted)
    assert len(list(audit.show(desk.office.folder))) == 7
    clock.now += 60
    _predict(desk, [0])
    assert _last(desk)["omitted"] == 35


def _offer(desk: Desk, items: np.ndarray, caller: str = "north") -> Any:
    return desk(Offer("mint", content_hash(items), "uint8", items.shape), caller)


def test_sets_wait_for_approval(open_desk: MakeDesk, items: np.ndarray) -> None:
    desk = open_desk(**{"any-set": False})
    other = items + 1
    name = content_hash(other)
    assert _code(_offer(desk, other)) == "not-approved"
    assert _code(_offer(desk, other)) == "not-approved"
    (waiting,) = desk.office.waiting()
    assert (waiting.set_hash, waiting.coordinator, waiting.teacher) == (name, "north", "mint")
    assert (waiting.dtype, waiting.shape) == ("uint8", "10x1x16x16")
    assert desk.office.approve(name) and not desk.office.approve(name)
    assert desk.office.waiting() == []
    assert _offer(desk, other) == Offered("more", 0)
    for offer in offers("mint", name, other):
        reply = desk(offer)
    assert reply == Offered("held", 10)
    assert isinstance(desk(Predict("mint", name, LAST)), Predicted)
    assert desk.office.revoke(name) and not desk.office.revoke(name)
    assert _code(desk(Predict("mint", name, LAST))) == "not-approved"
    events = [record["event"] for record in audit.show(desk.office.folder)]
    rest = ["approve", "held", "charge", "reply", "revoke", "reply"]
    assert events == ["offer", "offer", *rest]


def test_refused_offers_are_recorded_as_refused_questions_are(
    open_desk: MakeDesk, items: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "MOST", 5)
    desk = open_desk(**{"any-set": False, "coordinators": ["north"]})
    assert _code(_offer(desk, items, "south")) == "coordinator"
    for _ in range(8):
        assert _code(_offer(desk, items)) == "not-approved"
    told = [
        (record["event"], record["caller"], record["teacher"], record["set"], record["outcome"])
        for record in audit.show(desk.office.folder)
    ]
    first, *others = told
    assert first == ("offer", "south", "mint", desk.set_hash, "coordinator")
    assert others == [("offer", "north", "mint", desk.set_hash, "not-approved")] * 5
    assert audit.verify(desk.office.folder) == []


def test_sets_may_be_held_to_be_looked_at(open_desk: MakeDesk, items: np.ndarray) -> None:
    desk = open_desk(**{"any-set": False, "hold-unapproved": True})
    other = items + 1
    for offer in offers("mint", content_hash(other), other):
        reply = desk(offer)
    assert reply == Offered("held", 10) and len(desk.office.waiting()) == 1
    assert _code(desk(Predict("mint", content_hash(other), LAST))) == "not-approved"
    desk.office.approve(content_hash(other))
    assert isinstance(desk(Predict("mint", content_hash(other), LAST)), Predicted)


def test_sets_that_the_file_names_need_no_hand(open_desk: MakeDesk, items: np.ndarray) -> None:
    desk = open_desk(**{"any-set": False, "sets": [content_hash(items)]})
    assert isinstance(_predict(desk), Predicted) and isinstance(_offer(desk, items), Offered)


def test_who_may_not_ask_may_not_fill_the_list(open_desk: MakeDesk, items: np.ndarray) -> None:
    desk = open_desk(**{"any-set": False, "coordinators": ["south"]})
    assert _code(_offer(desk, items)) == "coordinator" and desk.office.waiting() == []
    for k in range(70):
        _code(desk(Offer("mint", f"{k:064x}", "uint8", (2, 2)), "south"))
    assert len(desk.office.waiting()) == 64
