"""A scenario: one TOML file that says everything about a run, validated as a whole."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

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
from fedsa.saliency import QUERY_ONLY
from fedsa.task.classification import plain


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
    found += _cross_check(scenario)
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


def _cross_check(scenario: Scenario) -> list[str]:
    faults = []
    pool = scenario.pool()
    ids = [teacher.id for teacher in pool]
    for twice in sorted({name for name in ids if ids.count(name) > 1}):
        faults.append(f"teachers: the id '{twice}' is used more than once; ids must be unique.")
    if pool and scenario.selection.k > len(pool):
        faults.append(
            f"selection.k: {scenario.selection.k} teachers are asked for but the pool has "
            f"{len(pool)}; set k to at most {len(pool)}."
        )
    task = scenario.task
    if scenario.saliency.probe_items > task.items:
        faults.append(
            f"saliency.probe-items: {scenario.saliency.probe_items} exceeds "
            f"task.items ({task.items})."
        )
    if scenario.selection.response_items > task.items:
        faults.append(
            f"selection.response-items: {scenario.selection.response_items} exceeds "
            f"task.items ({task.items})."
        )
    faults += _task_faults(task)
    faults += _several_faults(scenario)
    for teacher in scenario.teachers:
        if teacher.classes and teacher.classes_each:
            faults.append(f"teachers '{teacher.id}': give classes or classes-each, not both.")
        if teacher.file is not None and (given := _beside_file(teacher)):
            faults.append(
                f"teachers '{teacher.id}': a teacher with a file is ready-made; take out "
                f"{', '.join(given)}."
            )
    return faults


def _task_faults(task: TaskOptions) -> list[str]:
    faults = _heads_faults(task)
    if task.classes and task.groups:
        faults.append("task.groups: give classes or groups, not both.")
    members = [name for group in task.groups.values() for name in group]
    for twice in sorted({name for name in members if members.count(name) > 1}):
        faults.append(f"task.groups: the class '{twice}' is named twice; each goes into one group.")
    if len(task.groups) == 1:
        faults.append("task.groups: at least two groups are needed.")
    faults += _also_faults(task)
    count = len(task.classes or task.groups)
    labels = task.labels(count)
    if task.labels_per_class is not None:
        if labels > task.items:
            faults.append(
                f"task.labels-per-class: {task.labels_per_class} labels of each of {count} classes "
                f"are more than task.items ({task.items})."
            )
    elif labels < count:
        faults.append(
            f"task.label-share: {task.label_share} of {task.items} items is {labels} labels, which "
            f"leaves a class of {count} without an example; raise it to at least "
            f"{count / task.items:.4f}."
        )
    return faults


def _also_faults(task: TaskOptions) -> list[str]:
    """Return what is wrong with the classes' other names, as far as the classes are known here."""
    own = tuple(task.groups) or task.classes
    faults = [
        f"task.also: there is no class '{name}' in the task; its classes are {', '.join(own)}."
        for name in task.also
        if own and name not in own
    ]
    if task.also and task.heads:
        faults.append("task.also: other names go with classification, not with heads.")
    whose: dict[str, set[str]] = {}
    every = [(name, (name,)) for name in own] + [*task.groups.items(), *task.also.items()]
    for owner, names in every:
        for name in names:
            whose.setdefault(plain(name) or name, set()).add(owner)
    faults += [
        f"task.also: '{name}' is named for {' and '.join(sorted(whose[plain(name) or name]))}; it "
        "can be the name of one class only."
        for name in sorted({name for names in task.also.values() for name in names})
        if len(whose[plain(name) or name]) > 1
    ]
    return faults


def _heads_faults(task: TaskOptions) -> list[str]:
    faults = []
    if (task.kind == "several") != bool(task.heads):
        faults.append("task.heads: heads and kind = 'several' go together; give both or none.")
    for twice in sorted({name for name in task.heads if task.heads.count(name) > 1}):
        faults.append(f"task.heads: '{twice}' is named twice; each head stands there once.")
    if task.heads and task.groups:
        faults.append("task.groups: coarse classes go with classification, not with heads.")
    return faults


def _several_faults(scenario: Scenario) -> list[str]:
    """Return what of a scenario is made for classes alone, where the task has several heads."""
    if not scenario.task.heads:
        return []
    faults = []
    if scenario.certificate.labels:
        faults.append(
            "certificate.labels: the certificate bounds the error rate of a classification; set it "
            "to 0 where the task has several heads."
        )
    if scenario.saliency.method not in QUERY_ONLY:
        faults.append(
            f"saliency.method: '{scenario.saliency.method}' follows one class; where the task has "
            f"several heads use {' or '.join(sorted(QUERY_ONLY))}."
        )
    return faults


def _beside_file(teacher: TeacherOptions) -> list[str]:
    """Return the keys of a ready-made teacher that would have to do with how one is made."""
    apart = {"id", "file", "relevant", "lie"}
    return [
        field.alias or name
        for name, field in TeacherOptions.model_fields.items()
        if name not in apart and getattr(teacher, name) != field.default
    ]
