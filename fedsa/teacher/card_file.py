"""A teacher's TOML file: what its model is and what it wants to see; every fault at once."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationError

from fedsa.errors import TeacherFileError
from fedsa.saliency import METHODS, QUERY_ONLY
from fedsa.teacher.compute import ComputeSection
from fedsa.teacher.model_section import ModelSection
from fedsa.teacher.model_section import faults as model_faults
from fedsa.teacher.policy import PolicySection
from fedsa.teacher.section import Section

_Positive = Annotated[int, Field(ge=1, le=65_536)]
_Name = Annotated[str, Field(min_length=1, max_length=128)]


class InputSection(Section):
    """What the model takes: items of ``shape`` with values in [low, high], then (x-mean)/std."""

    shape: Annotated[tuple[_Positive, ...], Field(min_length=1, max_length=4)]
    low: float = 0.0
    high: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[Annotated[float, Field(gt=0.0)], ...] = ()


class SaliencySection(Section):
    """The finest maps that may leave or be compared, and by which methods (empty: built-in)."""

    grid: Annotated[int, Field(ge=2, le=32)] = 7
    bits: Annotated[int, Field(ge=1, le=8)] = 4
    methods: tuple[_Name, ...] = ()


class CardFile(Section):
    """A teacher's TOML file, validated; see :func:`read`."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    task: Literal["classification", "multi-label", "regression", "segmentation"] = "classification"
    """What it answers: a distribution over classes, or values from 0 to 1, each of its own: of
    labels, of quantities, or of a mask's cells, row by row."""
    classes: Annotated[
        Annotated[tuple[_Name, ...], Field(min_length=1), Tag("names")]
        | Annotated[int, Field(ge=1, le=65_536), Tag("number")],
        Discriminator(lambda value: "number" if isinstance(value, int) else "names"),
    ]
    """Names of its outputs, or only how many where the institution keeps the names to itself."""
    licence: Annotated[str, Field(max_length=256)] = "unspecified"
    architecture: _Name = "undisclosed"
    model: ModelSection
    input: InputSection
    compute: ComputeSection = ComputeSection()
    saliency: SaliencySection = SaliencySection()
    policy: PolicySection | None = None
    """Without one, a gateway answers nothing but the card, and a simulation everything."""

    @property
    def outputs(self) -> int:
        """Number of classes, or of other outputs."""
        return self.classes if isinstance(self.classes, int) else len(self.classes)


def read(path: Path) -> CardFile:
    """Read a teacher's file; the paths of the result are absolute.

    Raises
    ------
    TeacherFileError
        With every fault found, one a line.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TeacherFileError(f"There is no teacher file '{path}': check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise TeacherFileError(f"The teacher file '{path}' cannot be read: {error}.") from None
    except tomllib.TOMLDecodeError as error:
        raise TeacherFileError(f"The teacher file '{path}' is not valid TOML: {error}.") from None
    faults: list[str] = []
    card: CardFile | None = None
    try:
        card = CardFile.model_validate(document)
    except ValidationError as error:
        faults += [_sentence(dict(fault)) for fault in error.errors()]
    # Checked on the document, so that these faults show beside those of the types above.
    faults += _class_faults(document) + model_faults(document.get("model"), path.parent)
    if card is not None:
        faults += _input_faults(card) + _compute_faults(card) + _value_faults(card)
    if faults or card is None:
        lines = "\n".join(f"  {fault}" for fault in dict.fromkeys(faults))
        raise TeacherFileError(f"The teacher file '{path}' cannot be used:\n{lines}")
    return card.model_copy(update={"model": card.model.located(path.parent)})


def _sentence(fault: dict[str, Any]) -> str:
    parts = [part for part in fault["loc"] if part not in ("names", "number")]
    where = ".".join(map(str, parts))
    if fault["type"] == "extra_forbidden":
        return f"{where}: there is no such key."
    if fault["type"] == "missing":
        return f"{where}: this key is required."
    return f"{where}: {fault['msg'][0].lower()}{fault['msg'][1:]} (got {fault.get('input')!r})."


def _input_faults(card: CardFile) -> list[str]:
    faults = []
    shape = card.input.shape
    if len(shape) == 2:
        faults.append("input.shape: give [channels, height, width] or [features].")
    if not card.input.low < card.input.high:
        faults.append("input.high: must be greater than input.low.")
    for key in ("mean", "std"):
        count = len(getattr(card.input, key))
        if count not in (0, 1, shape[0]):
            faults.append(
                f"input.{key}: give one number, or one for each of the {shape[0]} "
                f"{'channels' if len(shape) > 1 else 'features'} (got {count})."
            )
    if isinstance(card.classes, tuple) and len(set(card.classes)) < len(card.classes):
        faults.append("classes: a name is given twice.")
    return faults


def _class_faults(document: dict[str, Any]) -> list[str]:
    classes = document.get("classes")
    count = len(classes) if isinstance(classes, list) else classes
    if document.get("task", "classification") == "classification" and count in (0, 1):
        return [f"classes: a classification has at least two (got {classes!r})."]
    return []


def _value_faults(card: CardFile) -> list[str]:
    """Return what is made for distributions alone, where answers are values."""
    if card.task == "classification":
        return []
    faults = []
    if card.policy is not None:
        if card.policy.noise.sigma > 0:
            faults.append(
                "policy.noise: its guarantee is for distributions, and rows of values are longer; "
                f"take it out, as the task is {card.task}."
            )
        if card.policy.answers.top_k > 0:
            faults.append(f"policy.answers.top-k: it goes with classes; the task is {card.task}.")
    if lost := set(card.saliency.methods) & (METHODS.builtins.keys() - QUERY_ONLY):
        faults.append(
            f"saliency.methods: {', '.join(sorted(lost))} follow one class; the task is "
            f"{card.task}, so list {' or '.join(sorted(QUERY_ONLY))}."
        )
    if card.model.probabilities or card.model.estimator is not None:
        faults.append(
            "model: probabilities and estimators are read as distributions; give a model of raw "
            f"outputs, whose sigmoid is the answer, as the task is {card.task}."
        )
    return faults


def _compute_faults(card: CardFile) -> list[str]:
    model, compute, faults = card.model, card.compute, []
    if compute.autocast != "off" and any((model.onnx, model.estimator, model.callable)):
        faults.append("compute.autocast: goes with a PyTorch model only; set it to off.")
    if compute.device.startswith("cuda") and any((model.estimator, model.callable)):
        faults.append(
            "compute.device: an estimator or a callable is not moved to a GPU; leave it at cpu "
            "(a callable may use one by itself)."
        )
    return faults
