"""A scenario: one TOML file that says everything about a run, validated as a whole."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from fedsa.contradictions import contradictions
from fedsa.data import path_of
from fedsa.errors import ScenarioError
from fedsa.options import (
    CertificateOptions,
    FederationOptions,
    FusionOptions,
    Options,
    Positive,
    SaliencyOptions,
    SelectionOptions,
    StudentOptions,
    TaskOptions,
    TeacherOptions,
)


class Scenario(Options):
    """Everything about a run; see ``docs/scenario.md`` for each key."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    strategy: str = "fedsa"
    seed: Annotated[int, Field(ge=0)] = 0
    rounds: Positive = 4
    threads: Positive = 1
    """Torch threads of the server; part of what makes a rerun equal to the bit. More than one pays
    only where no other process wants the cores."""
    baselines: tuple[str, ...] = Field(default=("scratch", "uniform", "best_single"), strict=False)
    task: TaskOptions = TaskOptions()
    student: StudentOptions = StudentOptions()
    saliency: SaliencyOptions = SaliencyOptions()
    selection: SelectionOptions = SelectionOptions()
    fusion: FusionOptions = FusionOptions()
    certificate: CertificateOptions = CertificateOptions()
    federation: FederationOptions = FederationOptions()
    teachers: tuple[TeacherOptions, ...] = Field(default=(), strict=False)

    def pool(self) -> tuple[TeacherOptions, ...]:
        """Return the simulated teachers with every ``count`` written out."""
        out: list[TeacherOptions] = []
        for teacher in self.teachers:
            if teacher.count == 1:
                out.append(teacher)
                continue
            for copy in range(1, teacher.count + 1):
                out.append(teacher.model_copy(update={"id": f"{teacher.id}-{copy}", "count": 1}))
        return tuple(out)

    def document(self) -> dict[str, Any]:
        """Return the scenario as plain data, keys spelled as in TOML."""
        return self.model_dump(mode="json", by_alias=True)


def load(path: Path, overrides: Sequence[str] = (), seed: int | None = None) -> Scenario:
    """Read and validate a scenario file.

    Parameters
    ----------
    path : Path
        The TOML file.
    overrides : Sequence[str]
        ``key=value`` with dotted keys and TOML values, as in ``task.label-share=0.05``.
    seed : int | None
        Replaces the scenario's seed.

    Raises
    ------
    ScenarioError
        With every fault found, each naming its key.
    """
    return complete(read(path), overrides, seed)


def read(path: Path) -> dict[str, Any]:
    """Return a scenario file's plain data, not validated yet.

    Raises
    ------
    ScenarioError
        If it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ScenarioError(
            [f"There is no scenario file '{path}': check the path, or make one with 'fedsa new'."]
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError([f"The scenario file '{path}' cannot be read: {error}."]) from None
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError([f"The scenario file '{path}' is not valid TOML: {error}."]) from None


def complete(
    document: dict[str, Any], overrides: Sequence[str] = (), seed: int | None = None
) -> Scenario:
    """Put overrides and a seed into plain data, in place, and validate it; see :func:`load`."""
    faults = _override(document, overrides)
    if seed is not None:
        document["seed"] = seed
    return _located(parse(document, faults))


def parse(document: Mapping[str, Any], faults: Sequence[str] = ()) -> Scenario:
    """Validate plain data (TOML or the run folder's ``config.json``) into a scenario.

    Raises
    ------
    ScenarioError
        With every fault found, those given in ``faults`` first.
    """
    found = list(faults)
    try:
        scenario = Scenario.model_validate(dict(document))
    except ValidationError as error:
        found += [sentence(dict(fault)) for fault in error.errors()]
        raise ScenarioError(found) from None
    found += contradictions(scenario)
    if found:
        raise ScenarioError(found)
    return scenario


def _located(scenario: Scenario) -> Scenario:
    """Make the paths of data files absolute: Flower's processes work in another folder."""

    def located(name: str) -> str:
        path = path_of(name)
        return name if path is None else str(path.absolute())

    labelled = scenario.task.labelled
    task = scenario.task.model_copy(
        update={
            "data": located(scenario.task.data),
            "labelled": labelled and str(Path(labelled).expanduser().absolute()),
        }
    )
    teachers = tuple(
        teacher.model_copy(
            update={
                "data": located(teacher.data),
                "file": teacher.file and str(Path(teacher.file).expanduser().absolute()),
            }
        )
        for teacher in scenario.teachers
    )
    return scenario.model_copy(update={"task": task, "teachers": teachers})


def _override(document: dict[str, Any], overrides: Sequence[str]) -> list[str]:
    faults = []
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            faults.append(f"--set {override}: write key=value, as in --set task.label-share=0.05.")
            continue
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text  # a bare word is meant as a string
        *sections, last = key.strip().split(".")
        here: Any = document
        for section in sections:
            here = here.setdefault(section, {}) if isinstance(here, dict) else None
        if not isinstance(here, dict):
            faults.append(f"--set {override}: '{key}' is not a key of a section.")
            continue
        here[last] = value
        if key.strip() == "task.label-share":  # what is said last holds, not what it stands beside
            here.pop("labels-per-class", None)
    return faults


def sentence(
    fault: Mapping[str, Any], reference: str = "'fedsa new --help' or docs/scenario.md"
) -> str:
    """Return what pydantic found as a sentence that names the key; ``reference`` lists keys."""
    where = ""
    for part in fault["loc"]:
        where += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if where else str(part)
    if fault["type"] == "extra_forbidden":
        return f"{where}: there is no such key; see {reference}."
    if fault["type"] == "missing":
        return f"{where}: this key is required."
    got = fault.get("input")
    shown = f" (got {got!r})" if isinstance(got, str | int | float | bool) else ""
    return f"{where}: {fault['msg'][0].lower()}{fault['msg'][1:]}{shown}."
