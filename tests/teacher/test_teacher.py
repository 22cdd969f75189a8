"""A teacher answers and shows where it looks; with weights or as an exported program alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fedsa.models import build
from fedsa.saliency import QUERY_ONLY, maps
from fedsa.saliency.compact import compact
from fedsa.teacher.faults import Fault
from fedsa.teacher.teacher import Teacher

Make = Callable[..., Path]
FAULTY = "tests.teacher.faulty_models"


def _model(path: Path) -> torch.nn.Module:
    model = build("conv", (1, 12, 12), 3, seed=0)
    model.load_state_dict(load_file(path.parent / "weights.safetensors"))
    return model.eval()


def test_predict_is_the_models_softmax_over_many_batches(make_teacher: Make) -> None:
    path = make_teacher(input={"mean": [0.5], "std": [0.25]})
    items = np.random.default_rng(1).integers(0, 256, (600, 1, 12, 12), dtype=np.uint8)
    found = Teacher.load(path).predict(items)
    assert found.dtype == np.float32 and found.shape == (600, 3)
    with torch.no_grad():
        inputs = (torch.from_numpy(items).float() / 255 - 0.5) / 0.25
        wanted = _model(path)(inputs).softmax(dim=1)
    assert np.allclose(found, wanted.numpy(), atol=1e-5)
    assert np.allclose(found.sum(axis=1), 1.0, atol=1e-6)


def test_logits_are_what_the_answers_are_made_of(make_teacher: Make, items: np.ndarray) -> None:
    path = make_teacher()
    teacher, items = Teacher.load(path), items[:, :, :12, :12]
    found = teacher.logits(items)
    with torch.no_grad():
        wanted = _model(path)(torch.from_numpy(items).float() / 255).numpy()
    assert found.dtype == np.float32 and np.allclose(found, wanted, atol=1e-5)
    answers = torch.from_numpy(found).double().softmax(dim=1).float().numpy()
    assert np.array_equal(teacher.predict(items), answers)


def test_a_teacher_of_another_size_answers_the_same_set(
    make_teacher: Make, items: np.ndarray
) -> None:
    teacher = Teacher.load(make_teacher(input={"shape": [3, 20, 24]}))
    assert teacher.predict(items).shape == (10, 3)
    assert teacher.saliency(items, "gradient-x-input").shape == (10, 20, 24)


def test_saliency_looks_through_the_scaling(make_teacher: Make, items: np.ndarray) -> None:
    path = make_teacher(input={"shape": [1, 16, 16], "mean": [0.3], "std": [0.5]})
    teacher = Teacher.load(path)
    found = teacher.saliency(items, "occlusion")

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = build("conv", (1, 16, 16), 3, seed=0)
            self.inner.load_state_dict(load_file(path.parent / "weights.safetensors"))

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.inner((inputs - 0.3) / 0.5)

    wanted = maps("occlusion", Whole().eval(), torch.from_numpy(items).float() / 255)
    assert torch.allclose(found, wanted, atol=1e-5)
    assert np.array_equal(
        teacher.compact_maps(items, "occlusion", 7, 4).values, compact(found, 7, 4).values
    )


def test_the_card_says_what_the_file_says_and_no_more(make_teacher: Make) -> None:
    path = make_teacher(classes=3, licence="CC0", saliency={"grid": 5, "bits": 2})
    card = Teacher.load(path).card
    assert card.classes is None and card.outputs == 3 and card.shape == (1, 12, 12)
    assert card.architecture == "undisclosed" and card.licence == "CC0" and card.gradients
    assert (card.grid, card.bits) == (5, 2) and set(card.methods) > QUERY_ONLY
    assert str(path.parent) not in card.to_json() and "conv" not in card.to_json()


def test_the_fingerprint_follows_weights_and_configuration(make_teacher: Make) -> None:
    first = Teacher.load(make_teacher()).card.fingerprint
    assert Teacher.load(make_teacher()).card.fingerprint == first
    assert Teacher.load(make_teacher(input={"low": 0.1})).card.fingerprint != first
    path = make_teacher()
    state = load_file(path.parent / "weights.safetensors")
    from safetensors.torch import save_file

    save_file({key: value + 1 for key, value in state.items()}, path.parent / "weights.safetensors")
    assert Teacher.load(path).card.fingerprint != first


@pytest.mark.parametrize("name", ["Raises", "Nan", "Narrow"])
def test_a_model_that_fails_is_a_fault_of_the_model(
    make_teacher: Make, items: np.ndarray, name: str
) -> None:
    model = {"factory": f"{FAULTY}:{name}", "weights": "weights.safetensors"}
    teacher = Teacher.load(make_teacher(model=model))
    with pytest.raises(Fault, match="^model$"):
        teacher.predict(items)
    if name != "Narrow":  # its maps are still maps
        with pytest.raises(Fault, match="^model$"):
            teacher.saliency(items, "occlusion")


def test_a_teacher_of_vectors(make_teacher: Make) -> None:
    model = {"factory": "mlp", "weights": "weights.safetensors"}
    teacher = Teacher.load(make_teacher(model=model, input={"shape": [13]}))
    rows = np.random.default_rng(0).normal(size=(5, 13)).astype(np.float32)
    assert teacher.predict(rows).shape == (5, 3)
    assert teacher.saliency(rows, "occlusion").shape == (5, 13)
    assert teacher.compact_maps(rows, "occlusion", 7, 4).values.shape == (5, 13)
    with pytest.raises(Fault, match="shape"):
        teacher.predict(rows[:, :12])


def test_only_methods_of_the_card_are_answered(make_teacher: Make, items: np.ndarray) -> None:
    teacher = Teacher.load(make_teacher(saliency={"methods": ["rise"]}))
    assert teacher.card.methods == ("rise",)
    with pytest.raises(Fault, match="method"):
        teacher.saliency(items, "occlusion")
    with pytest.raises(Fault, match="method"):  # nothing is imported because somebody asks
        teacher.saliency(items, "tests.teacher.faulty_models:unbuildable")
