"""The definition of a selection table: one scenario of many teachers, and pools drawn from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from fedsa.errors import ScenarioError
from fedsa.options import Options, Positive
from fedsa.scenario import Scenario, complete
from fedsa.tables.definition import validated

Names = Annotated[tuple[str, ...], Field(min_length=2, strict=False)]


class SelectionTableOptions(Options):
    """A selection table as its TOML file has it; ``docs/tables.md`` has each key."""

    kind: Literal["selection"]
    title: str
    about: str = ""
    seeds: str = "0-4"
    truth_steps: Positive = 600
    """Optimiser steps of each student by which a teacher's true gain is measured."""
    truth_students: Positive = 1
    """Students from each teacher, with other starts, over which a true gain is the mean."""
    student_steps: Positive = 600
    """Optimiser steps of each fused student."""
    more_labels: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Share of labels of the second student that looks are compared with."""
    pools: Annotated[dict[str, Names], Field(min_length=1)]
    """Pool to its teachers; one may be in several."""
    students: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Pools on which students are trained under every selector; empty for all."""
    scenario: dict[str, Any]
    """All the teachers, the task, the first student."""


class SelectionTable:
    """A selection table with its validated scenario.

    Parameters
    ----------
    name : str
        The file's name without its ending.
    options : SelectionTableOptions
        What the file says.
    scenario : Scenario
        Of every cell, but for its seed.
    """

    def __init__(self, name: str, options: SelectionTableOptions, scenario: Scenario) -> None:
        self.name, self.options, self.scenario = name, options, scenario

    @property
    def trained(self) -> dict[str, tuple[str, ...]]:
        """The pools on which students are trained."""
        names = self.options.students or tuple(self.options.pools)
        return {name: self.options.pools[name] for name in names}


def load(path: Path, overrides: Sequence[str] = ()) -> SelectionTable:
    """Read a selection table.

    Raises
    ------
    ScenarioError
        With every fault of the table, or of its scenario.
    """
    options = validated(SelectionTableOptions, path)
    scenario = complete({"name": path.stem, **options.scenario}, overrides)
    known = {teacher.id for teacher in scenario.pool()}
    faults = [
        f"pools.{pool}: there is no teacher '{name}' in the table's scenario."
        for pool, names in options.pools.items()
        for name in sorted(set(names) - known)
    ]
    faults += [
        f"students: there is no pool '{name}'; the table has {', '.join(options.pools)}."
        for name in options.students
        if name not in options.pools
    ]
    if options.more_labels <= scenario.task.label_share:
        faults.append(
            f"more-labels: {options.more_labels:g} is no more than the first student's share of "
            f"labels, {scenario.task.label_share:g}: raise it."
        )
    faults += _not_measured(scenario)
    if faults:
        raise ScenarioError(faults)
    return SelectionTable(path.stem, options, scenario)


def _not_measured(scenario: Scenario) -> list[str]:
    """Return what a scenario asks for that is left out where teachers answer without a gateway."""
    faults = []
    if scenario.task.heads:
        faults.append("scenario.task.heads: selection is measured for a single classification.")
    for teacher in scenario.teachers:
        given = [key for key in ("file", "lie", "policy", "task") if getattr(teacher, key)]
        faults += [
            f"scenario.teachers '{teacher.id}': a table of selection trains honest teachers of "
            f"classes and asks them without a policy; take out {key}."
            for key in given
        ]
    return faults
