"""A teacher's TOML file: what its model is and what it wants to see; every fault at once."""

from __future__ import annotations

import tomllib
import zipfile
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from fedsa.errors import TeacherFileError
from fedsa.teacher.policy import PolicySection

_Positive = Annotated[int, Field(ge=1, le=65_536)]
_Name = Annotated[str, Field(min_length=1, max_length=128)]
_PICKLES = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelSection(_Section):
    """``factory`` with ``weights`` (safetensors), or ``program`` (``.pt2``); relative paths."""

    factory: str | None = None
    weights: Path | None = None
    program: Path | None = None


class InputSection(_Section):
    """What the model takes: items of ``shape`` with values in [low, high], then (x-mean)/std."""

    shape: Annotated[tuple[_Positive, ...], Field(min_length=1, max_length=4)]
    low: float = 0.0
    high: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[Annotated[float, Field(gt=0.0)], ...] = ()


class SaliencySection(_Section):
    """The finest maps that may leave or be compared, and by which methods (empty: built-in)."""

    grid: Annotated[int, Field(ge=2, le=32)] = 7
    bits: Annotated[int, Field(ge=1, le=8)] = 4
    methods: tuple[_Name, ...] = ()


class CardFile(_Section):
    """A teacher's TOML file, validated; see :func:`read`."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    task: Literal["classification"] = "classification"
    classes: Annotated[
        Annotated[tuple[_Name, ...], Field(min_length=2), Tag("names")]
        | Annotated[int, Field(ge=2, le=65_536), Tag("number")],
        Discriminator(lambda value: "number" if isinstance(value, int) else "names"),
    ]
    """Their names, or only how many where the institution keeps the names to itself."""
    licence: Annotated[str, Field(max_length=256)] = "unspecified"
    architecture: _Name = "undisclosed"
    model: ModelSection
    input: InputSection
    saliency: SaliencySection = SaliencySection()
    policy: PolicySection | None = None
    """Without one, a gateway answers nothing but the card, and a simulation everything."""

    @property
    def outputs(self) -> int:
        """Number of classes."""
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
    faults += _model_faults(document.get("model"), path.parent)
    if card is not None:
        faults += _input_faults(card)
    if faults or card is None:
        lines = "\n".join(f"  {fault}" for fault in dict.fromkeys(faults))
        raise TeacherFileError(f"The teacher file '{path}' cannot be used:\n{lines}")
    files = {
        key: (path.parent / file).resolve()
        for key in ("weights", "program")
        if (file := getattr(card.model, key)) is not None
    }
    return card.model_copy(update={"model": card.model.model_copy(update=files)})


def _sentence(fault: dict[str, Any]) -> str:
    parts = [part for part in fault["loc"] if part not in ("names", "number")]
    where = ".".join(map(str, parts))
    if fault["type"] == "extra_forbidden":
        return f"{where}: there is no such key."
    if fault["type"] == "missing":
        return f"{where}: this key is required."
    return f"{where}: {fault['msg'][0].lower()}{fault['msg'][1:]} (got {fault.get('input')!r})."


def _model_faults(model: Any, folder: Path) -> list[str]:
    if not isinstance(model, dict):
        return []
    faults = []
    factory, weights, program = (model.get(key) for key in ("factory", "weights", "program"))
    if program is not None and (factory is not None or weights is not None):
        faults.append("model: give factory and weights, or program, not both.")
    elif program is None and (factory is None or weights is None):
        faults.append("model: give factory and weights (safetensors), or program (.pt2).")
    if isinstance(weights, str):
        faults += _file_faults("model.weights", folder / weights, ".safetensors")
    if isinstance(program, str):
        faults += _file_faults("model.program", folder / program, ".pt2")
    return faults


def _file_faults(key: str, file: Path, suffix: str) -> list[str]:
    pickle = file.suffix in _PICKLES
    if not file.is_file():
        found = [f"{key}: there is no file '{file}'."]
    else:
        pickle, found = pickle or _pickled(file), []
    if pickle:
        found.append(
            f"{key}: '{file.name}' is a pickle, which can run code when it is read; save the "
            f"weights with safetensors (save_file) or the model with torch.export.save (.pt2)."
        )
    elif file.suffix != suffix:
        found.append(f"{key}: '{file.name}' should be a {suffix} file.")
    return found


def _pickled(file: Path) -> bool:
    """Whether a file is a pickle or holds one as ``torch.save`` writes it."""
    with file.open("rb") as opened:
        head = opened.read(4)
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    if head != b"PK\x03\x04":
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


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
