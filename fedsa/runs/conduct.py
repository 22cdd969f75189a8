"""One run from a validated scenario to its summary, given Flower's grid and a strategy recipe."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from fedsa.data.splits import Split
from fedsa.data.transfer import to_float
from fedsa.errors import PluginError
from fedsa.models import build
from fedsa.problem import Problem
from fedsa.runs import baselines, products
from fedsa.runs.beside import Beside
from fedsa.runs.folder import RunFolder, write_json
from fedsa.runs.run import Run, measure
from fedsa.scenario import Scenario
from fedsa.seeding import derive, torch_generator
from fedsa.strategy import AllTeachersGone, Amalgamation, Wiring
from fedsa.task import Several

_TEACHERS = "teachers.json"
_ABSENT = "It did not join: its model does not load, or its client did not start."

Recipe = Callable[[Problem, Scenario, Wiring], Amalgamation]


def conduct(grid: Any, scenario: Scenario, split: Split, folder: RunFolder, recipe: Recipe) -> None:
    """Run the rounds, the baselines, and write everything down.

    Parameters
    ----------
    grid : Grid
        Flower's grid, handed through to the strategy.
    scenario, split : Scenario, Split
        What is run, on which data.
    folder : RunFolder
        New, or that of an interrupted run, which is then gone on with.
    recipe : Recipe
        Composes the strategy.

    Raises
    ------
    AllTeachersGone
        After the last checkpoint's student and summary were written down, if there is one.
    FedsaError
        If the run cannot go on; what was done is kept.
    """
    begin, before = time.monotonic(), folder.elapsed()
    torch.set_num_threads(scenario.threads)
    folder.emit("started", strategy=scenario.strategy, seed=scenario.seed, rounds=scenario.rounds)
    run = _prepare(scenario, split, folder, recipe)
    _take_up(run)
    startup = time.monotonic() - begin
    gone: AllTeachersGone | None = None
    with Beside(run) as beside:
        try:
            beside.begin(grid)
            run.strategy.start(grid, num_rounds=scenario.rounds)
        except AllTeachersGone as error:
            if not run.strategy.memory.history:
                raise
            gone = error
        metrics = beside.end()
        heads = {name: beside.heads[name] for name in metrics if name in beside.heads}
    status = "teachers-gone" if gone else "finished"
    products.write(grid, run, status, metrics, startup, begin - before, heads)
    if gone:
        raise gone
    folder.emit("finished", status=status)


def make_problem(scenario: Scenario, split: Split) -> Problem:
    """Put the student's side of a scenario together."""
    shape = tuple(split.transfer.array.shape[1:])
    labelled, labels = torch.from_numpy(split.labelled), torch.from_numpy(split.labels)
    task = split.task
    if isinstance(task, Several) and len(labels):
        task = task.measured(labels)
    count = len(split.transfer)
    # The probe holds as many labelled items as fit, and unlabelled ones beyond these.
    shuffled = torch.randperm(count, generator=torch_generator(scenario.seed, "probe"))
    first = torch.cat([labelled, shuffled[~torch.isin(shuffled, labelled)]])
    return Problem(
        task=task,
        transfer=split.transfer,
        labelled=labelled,
        labels=labels,
        probe=first[: scenario.saliency.probe_items],
        build=partial(build, scenario.student.model, shape, seed=derive(scenario.seed, "student")),
        student=scenario.student,
        seed=scenario.seed,
        masses=None if split.masses is None else torch.from_numpy(split.masses).float(),
    )


def _prepare(scenario: Scenario, split: Split, folder: RunFolder, recipe: Recipe) -> Run:
    split.check_labels()
    baselines.check(scenario.baselines, bool(scenario.task.heads), split.complete)
    problem = make_problem(scenario, split)
    test_inputs, test_labels = to_float(split.test_inputs), torch.from_numpy(split.test_labels)
    absent = {teacher.id for teacher in scenario.pool()}

    def observe(event: str, **fields: Any) -> None:
        folder.emit(event, **fields)
        if event == "cards":
            for teacher in sorted(absent - set(fields["teachers"])):
                folder.emit("failure", teacher=teacher, code="absent", sentence=_ABSENT)
            absent.clear()
            write_json(folder.path / _TEACHERS, strategy.memory.fingerprints)

    wiring = Wiring(
        folder=folder.path,
        observe=observe,
        evaluate=lambda student: measure(problem, student, test_inputs, test_labels),
    )
    strategy = recipe(problem, scenario, wiring)
    if not isinstance(strategy, Amalgamation):
        raise PluginError(
            f"The strategy '{scenario.strategy}' made a {type(strategy).__name__}: a recipe must "
            "return an Amalgamation (or a subclass of it)."
        )
    return Run(scenario, split, folder, problem, strategy, test_inputs, test_labels)


def _take_up(run: Run) -> None:
    """Go on from the last checkpoint, with the very teachers that answered before it."""
    run.strategy.resume()
    memory = run.strategy.memory
    path = run.folder.path / _TEACHERS
    if path.exists():  # answers are kept from before the first checkpoint on
        memory.fingerprints = {**products.read_json(path), **memory.fingerprints}
