"""Load every plug-in a scenario names before anything starts, so that faults show at once."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fedsa import ready_made
from fedsa.app_folder import app_folder
from fedsa.data import resolve
from fedsa.errors import FedsaError, PluginError, ScenarioError
from fedsa.fusion import FUSIONS
from fedsa.models import MODELS, build
from fedsa.registry import Registry
from fedsa.runs import baselines
from fedsa.saliency import METHODS
from fedsa.scenario import Scenario
from fedsa.selection import SELECTORS
from fedsa.teacher import card_file, preprocessing
from fedsa.teacher.faults import Fault
from fedsa.transferability import ESTIMATORS


def check_plugins(scenario: Scenario, trained: bool = True) -> None:
    """Load what a scenario names: recipe, selector, fusion, method, models, data, teachers' files.

    Parameters
    ----------
    scenario : Scenario
        Of a run that has not begun.
    trained : bool
        Whether its teachers are trained here; in a federation they only tell whom to expect.

    Raises
    ------
    FedsaError
        The one fault found, or a ScenarioError with a sentence for each.
    """
    with _importable(Path.cwd()):
        checks: list[Callable[[], Any]] = [
            lambda: strategies().get(scenario.strategy),
            lambda: _selector(scenario),
            lambda: _made(FUSIONS, scenario.fusion.fusion, scenario.fusion, "fit"),
            lambda: METHODS.get(scenario.saliency.method),
            lambda: _baselines(scenario),
        ]
        made = [teacher for teacher in scenario.teachers if teacher.file is None]
        models = {scenario.student.model, *(teacher.model for teacher in made)}
        data = {scenario.task.data, *(teacher.data for teacher in made)}
        checks += [lambda name=name: MODELS.get(name) for name in sorted(models)]  # type: ignore[misc]
        checks += [lambda name=name: resolve(name) for name in sorted(data)]  # type: ignore[misc]
        checks += [lambda: _shapes(scenario, trained)]
        files = [(one.file, one.id) for one in scenario.teachers if one.file is not None]
        checks += [lambda file=file: card_file.read(Path(file)) for file, _ in files]  # type: ignore[misc]
        checks += [
            lambda file=file, name=name: ready_made.read(Path(file), name)  # type: ignore[misc]
            for file, name in files
        ]
        errors: list[FedsaError] = []
        for check in checks:
            try:
                check()
            except FedsaError as error:
                errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ScenarioError([line for error in errors for line in str(error).splitlines()])


def strategies() -> Registry:
    """Return the recipes of the app that would be run from here."""
    with _importable(app_folder()):
        found: Registry = importlib.import_module("strategies").STRATEGIES
        for name in found.builtins:  # while the folder can be imported from
            with contextlib.suppress(FedsaError):
                found.get(name)
    return found


def _selector(scenario: Scenario) -> None:
    name = scenario.selection.selector
    _made(SELECTORS, name, scenario.selection, "select")
    if scenario.task.heads and name in ESTIMATORS.builtins:
        raise ScenarioError(
            [
                f"selection.selector: '{name}' compares classes; where the task has several heads "
                "leave the key out."
            ]
        )


def _shapes(scenario: Scenario, trained: bool) -> None:
    """Refuse a student, or trained teachers, that cannot take the task's items."""
    try:
        shape = resolve(scenario.task.data).inputs.shape[1:]
        MODELS.get(scenario.student.model)
        own = {
            teacher.data: resolve(teacher.data).inputs.shape[1:]
            for teacher in scenario.teachers
            if trained and teacher.file is None
        }
    except FedsaError:  # checks of their own tell what is wrong with data and model
        return
    build(scenario.student.model, shape, scenario.student.embedding, seed=0)
    for name, taken in own.items():
        try:
            preprocessing.check(shape, taken)
        except Fault:
            raise ScenarioError(
                [
                    f"teachers: those trained on '{name}' take items of shape {_shown(taken)}, to "
                    f"which the task's, of '{scenario.task.data}', cannot be brought: they are "
                    f"{_shown(shape)}; give teachers of such data, or of images for images."
                ]
            ) from None


def _shown(shape: tuple[int, ...]) -> str:
    return "x".join(str(side) for side in shape)


def _made(plugins: Registry, name: str, options: Any, method: str) -> None:
    """Refuse a part that cannot be made, or that lacks what it is made for."""
    make = plugins.get(name)
    try:
        found = make(options)
    except FedsaError:
        raise
    except Exception as error:  # a plug-in may fail in any way
        raise PluginError(
            f"The {plugins.kind} '{name}' cannot be made: {type(error).__name__}: {error}."
        ) from error
    if not callable(getattr(found, method, None)):
        raise PluginError(
            f"The {plugins.kind} '{name}' makes something of the kind {type(found).__name__}, "
            f"which has no method '{method}'; see docs/strategies.md."
        )


def _baselines(scenario: Scenario) -> None:
    try:
        complete = resolve(scenario.task.data).complete
    except FedsaError:  # a check of its own tells what is wrong with the data
        complete = True
    baselines.check(scenario.baselines, bool(scenario.task.heads), complete)


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))
