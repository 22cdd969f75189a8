"""What keys of a scenario say against each other, though each is right by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedsa.options import TaskOptions, TeacherOptions
from fedsa.saliency import QUERY_ONLY
from fedsa.task.classification import plain

if TYPE_CHECKING:
    from fedsa.scenario import Scenario


def contradictions(scenario: Scenario) -> list[str]:
    """Return what is wrong, a sentence each that names the key and tells what to do."""
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
    # So many a class is for the data to tell, as it may be that not all classes are named here.
    asked = 0 if task.labels_per_class is not None else task.labels(0)
    if scenario.certificate.labels and scenario.certificate.labels + asked > task.items:
        faults.append(
            f"certificate.labels: {scenario.certificate.labels} items for the certificate and "
            f"{asked} with labels are more than task.items ({task.items}); lower one."
        )
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
    # Whether a share of labels leaves a class without one, only the data can tell.
    if task.labels_per_class is not None and task.labels(count) > task.items:
        faults.append(
            f"task.labels-per-class: {task.labels_per_class} labels of each of {count} classes "
            f"are more than task.items ({task.items})."
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
