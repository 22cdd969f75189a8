"""Ready-made teachers stand in a simulation's pool as they would be served."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from fedsa import ready_made
from fedsa.cli.checks import check_plugins
from fedsa.data.splits import split
from fedsa.errors import FedsaError, ScenarioError, TeacherFileError
from fedsa.models import build
from fedsa.pools import build_pool, pool_key
from fedsa.scenario import Scenario, load, parse
from fedsa.teacher.host import ids_of
from fedsa.teacher.teacher import Teacher

FUNCTION = "tests.teacher.backends.functions:logits"


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDSA_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A teacher's file, with its weights in a folder beside it."""
    path = tmp_path / "mint" / "teacher.toml"
    (path.parent / "model").mkdir(parents=True)
    weights = build("mlp", (64,), 10, seed=1).state_dict()
    save_file(weights, path.parent / "model" / "w.safetensors")
    path.write_text(
        'id = "mint"\nclasses = 10\nlicence = "CC0 „frei“ \\u007f"\n'
        '[model]\nfactory = "mlp"\nweights = "model/w.safetensors"\n[input]\nshape = [64]\n'
        "mean = [0.25]\n[compute]\nwait-ms = 0.5\n"
        '[policy]\ncalls = ["predict"]\nends = 2031-01-01\n[policy.budget]\npredict = 9\n'
    )
    return path


def scenario(*teachers: dict[str, Any]) -> Scenario:
    return parse(
        {
            "name": "toy",
            "task": {"data": "digits-table", "items": 200, "label-share": 0.1},
            "saliency": {"probe-items": 2},
            "selection": {"response-items": 2},
            "teachers": [
                {"id": "own", "model": "mlp", "data": "digits-table", "items": 50, "epochs": 0},
                *teachers,
            ],
        }
    )


def make(wanted: Scenario) -> Path:
    return build_pool(wanted, split(wanted), lambda *_: None)


def test_it_answers_from_the_pool_as_from_its_own_folder(file: Path) -> None:
    wanted = scenario({"id": "mint", "file": str(file), "relevant": False})
    pool = make(wanted)
    assert not list((pool / "mint").glob("*.safetensors"))  # nothing is copied
    there, here = Teacher.load(pool / "mint" / "teacher.toml"), Teacher.load(file)
    assert there.file == here.file and there.card == here.card
    rows = np.random.default_rng(0).random((9, 64), np.float32)
    assert np.array_equal(there.predict(rows), here.predict(rows))
    assert ids_of(pool, 0, 1) == ("own", "mint") and make(wanted) == pool
    assert set(split(wanted).shards) == {"own"}


def test_a_callable_is_found_from_the_pool(tmp_path: Path) -> None:
    path = tmp_path / "teacher.toml"
    path.write_text(
        f'id = "own-code"\nclasses = 3\n[model]\ncallable = "{FUNCTION}"\n'
        "[input]\nshape = [1, 12, 12]\n"
    )
    pool = make(scenario({"id": "own-code", "file": str(path)}))
    images = np.zeros((2, 1, 28, 28), np.uint8)
    assert Teacher.load(pool / "own-code" / "teacher.toml").predict(images).shape == (2, 3)


def test_the_pools_key_covers_the_content_of_the_files(file: Path) -> None:
    wanted = scenario({"id": "mint", "file": str(file)})
    first = pool_key(wanted)
    assert pool_key(wanted) == first
    save_file(build("mlp", (64,), 10, seed=2).state_dict(), file.parent / "model" / "w.safetensors")
    second = pool_key(wanted)
    file.write_text(file.read_text().replace("predict = 9", "predict = 8"))
    assert len({first, second, pool_key(wanted)}) == 3


def test_large_weights_beside_an_onnx_model_are_covered(tmp_path: Path) -> None:
    path = tmp_path / "teacher.toml"
    path.write_text('id = "o"\n[model]\nonnx = "m.onnx"\n')
    (tmp_path / "m.onnx").write_bytes(b"1")
    first = ready_made.fingerprint(path, "o")
    (tmp_path / "m.onnx.data").write_bytes(b"2")
    assert ready_made.fingerprint(path, "o") != first


def test_paths_are_made_absolute(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent.parent)
    Path("toy.toml").write_text(
        'name = "toy"\n[[teachers]]\nid = "mint"\nfile = "mint/teacher.toml"'
    )
    (teacher,) = load(Path("toy.toml")).teachers
    assert teacher.file == str(file)


def test_what_has_to_do_with_making_one_must_not_be_given(file: Path) -> None:
    extra = {"items": 20, "classes-each": 2, "model": "mlp", "count": 2}
    with pytest.raises(ScenarioError) as caught:
        scenario({"id": "mint", "file": str(file), **extra})
    (fault,) = [line for line in caught.value.faults if "ready-made" in line]
    assert "'mint'" in fault and all(key in fault for key in extra)
    # What a run's folder holds has every default written out.
    wanted = scenario({"id": "mint", "file": str(file), "relevant": False, "lie": "nan"})
    assert parse(wanted.document()) == wanted


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file.unlink(), "no teacher file"),
        (lambda file: file.write_text("id = ["), "cannot be read"),
        (lambda file: file.write_bytes(b"\xff"), "cannot be read"),
        (lambda file: file.write_text(file.read_text().replace("mint", "thyme")), "'thyme'"),
    ],
)
def test_faults_are_clear_before_anything_starts(file: Path, change: Any, said: str) -> None:
    change(file)
    wanted = scenario({"id": "mint", "file": str(file)})
    with pytest.raises(FedsaError, match=said):
        check_plugins(wanted)
    with pytest.raises(TeacherFileError, match=said):
        pool_key(wanted)


def test_every_fault_of_a_teachers_file_shows_before_anything_starts(file: Path) -> None:
    file.write_text(file.read_text().replace("[64]", '[64]\nlow = "x"').replace("w.saf", "v.saf"))
    with pytest.raises(FedsaError) as caught:
        check_plugins(scenario({"id": "mint", "file": str(file)}))
    assert "input.low" in str(caught.value) and "v.safetensors" in str(caught.value)


PLAIN = st.one_of(
    st.text(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False), st.dates()
)
DATA = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), DATA, max_size=4))
def test_toml_is_read_back_as_it_was(document: dict[str, Any]) -> None:
    try:
        text = ready_made.toml(document).encode()
    except UnicodeEncodeError:  # half a character is none
        return
    assert tomllib.loads(text.decode()) == document
