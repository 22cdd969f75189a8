"""What a teacher's looks give away of its weights: all of them when raw, none in compact form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fedsa.data.transfer import content_hash
from fedsa.messages import (
    Failure,
    Offered,
    Predict,
    Reply,
    Request,
    Saliency,
    Salient,
    offers,
)
from fedsa.policy import BudgetSection, PolicySection
from fedsa.teacher.desk import answer
from fedsa.teacher.policy.guard import Guard
from fedsa.teacher.policy.office import Office
from fedsa.teacher.teacher import Teacher
from tests.attacks.reconstruction import Floats, hidden_units, recovered
from tests.attacks.small import UNITS, one_hidden

SHAPE = (1, 14, 14)
FEATURES = 14 * 14
CARD = """
id = "victim"
classes = 4
[model]
factory = "tests.attacks.small:one_hidden"
weights = "weights.safetensors"
[input]
shape = [1, 14, 14]
"""


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A teacher's file; its hidden units look at patches, as trained ones do."""
    generator = torch.Generator().manual_seed(5)
    model = one_hidden(SHAPE, 4)
    state = model.state_dict()
    rows, columns = torch.meshgrid(torch.arange(14.0), torch.arange(14.0), indexing="ij")
    for unit in range(UNITS):
        top, left = torch.rand(2, generator=generator) * 13
        patch = torch.exp(-((rows - top) ** 2 + (columns - left) ** 2) / 20)
        grain = torch.randn(14, 14, generator=generator)
        weights = (patch * grain).flatten()
        state["1.weight"][unit] = weights
        state["1.bias"][unit] = -weights.sum() / 2  # switches in the middle of the cube
    state["3.weight"].copy_(torch.randn(4, UNITS, generator=generator))
    save_file(state, tmp_path / "weights.safetensors")
    path = tmp_path / "teacher.toml"
    path.write_text(CARD)
    return path


def _weights(teacher: Teacher) -> Floats:
    module = teacher.backend.module
    assert module is not None
    return module.state_dict()["1.weight"].double().numpy()


def _raw(teacher: Teacher) -> Callable[[Floats], Floats]:
    """What would be seen of one class if a teacher answered with its raw input gradients."""
    module = teacher.backend.module
    assert module is not None

    def oracle(inputs: Floats) -> Floats:
        items = torch.from_numpy(inputs).float().view(-1, *SHAPE).requires_grad_()
        module(items)[:, 0].sum().backward()
        assert items.grad is not None
        return items.grad.flatten(1).double().numpy()

    return oracle


def test_raw_looks_give_the_hidden_layer_away(victim: Path) -> None:
    teacher = Teacher.load(victim)
    found = hidden_units(_raw(teacher), FEATURES, lines=60, tolerance=1e-5)
    assert recovered(found, _weights(teacher), 0.999) >= UNITS - 1


def _compact(ask: Callable[[Request], Reply], raw: Callable[[Floats], Floats]) -> Callable:
    """What is seen through the desk: compact maps of |gradient x input|, pixel by pixel.

    The attacker may have made-up points approved, knows the method, takes the input out again,
    and is told every sign for nothing.
    """

    def oracle(inputs: Floats) -> Floats:
        items = inputs.reshape(-1, *SHAPE).astype(np.float32)
        name = content_hash(items)
        for offer in offers("victim", name, items):
            reply = ask(offer)
            assert isinstance(reply, Offered), reply
        indices = np.arange(len(items), dtype=np.int32)
        reply = ask(Saliency("victim", name, indices, "gradient-x-input", 7, 4))
        assert isinstance(reply, Salient), reply
        maps = reply.maps.dense().reshape(-1, 7, 7).repeat(2, axis=1).repeat(2, axis=2)
        return maps.reshape(len(items), FEATURES) / inputs * np.sign(raw(inputs))

    return oracle


def _desk(victim: Path, policy: PolicySection, folder: Path) -> Callable[[Request], Reply]:
    office = Office(folder)
    guard = Guard(Teacher.load(victim), policy, office)
    return lambda request: answer(request, {"victim": guard}, office.sets, caller="attacker")


@pytest.mark.slow
def test_compact_looks_give_nothing_away_even_with_every_sign_known(
    victim: Path, tmp_path: Path
) -> None:
    raw = _raw(Teacher.load(victim))
    generous = PolicySection(
        calls=("saliency",),
        coordinators=("*",),
        any_set=True,
        budget=BudgetSection(saliency=10**6),
    )
    ask = _desk(victim, generous, tmp_path / "state")
    found = hidden_units(_compact(ask, raw), FEATURES, lines=8, tolerance=0.1)
    assert recovered(found, _weights(Teacher.load(victim)), 0.8) == 0


def test_the_same_lines_are_enough_for_raw_looks(victim: Path) -> None:
    """So that the test above fails for the form's sake, not for want of lines."""
    teacher = Teacher.load(victim)
    found = hidden_units(_raw(teacher), FEATURES, lines=8, tolerance=1e-5)
    assert recovered(found, _weights(teacher), 0.999) >= UNITS // 2


def test_the_default_policy_answers_nothing_that_could_be_attacked(
    victim: Path, tmp_path: Path
) -> None:
    ask = _desk(victim, PolicySection(), tmp_path / "state")
    items = np.random.default_rng(0).random((4, *SHAPE)).astype(np.float32)
    name, indices = content_hash(items), np.arange(4, dtype=np.int32)
    questions = [
        *offers("victim", name, items),
        Saliency("victim", name, indices, "gradient-x-input", 7, 4),
        Predict("victim", name, indices),
    ]
    replies = [ask(question) for question in questions]
    assert all(isinstance(reply, Failure) and reply.code == "refused" for reply in replies)
