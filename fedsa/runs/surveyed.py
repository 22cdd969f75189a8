"""What a folder with every teacher's answers holds, for what is measured on answers alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from fedsa.data.splits import Split, split
from fedsa.errors import FedsaError, RunError
from fedsa.problem import Answers
from fedsa.runs.answers import AnswerStore
from fedsa.runs.folder import RunFolder
from fedsa.scenario import Scenario, parse


@dataclass(frozen=True)
class Surveyed:
    """A scenario, its data, and the answers of its teachers.

    Parameters
    ----------
    scenario : Scenario
        What was run.
    parts : Split
        Its data, with the truth about the transfer set.
    answers : Answers
        Everybody's about the transfer set.
    weights : dict[str, float]
        Even ones of the teachers that the scenario notes as relevant.
    """

    scenario: Scenario
    parts: Split
    answers: Answers
    weights: dict[str, float]


def read(folder: Path) -> Surveyed:
    """Read a survey, or a finished run that asked all teachers about everything.

    Sets torch to the scenario's number of threads, with which its figures are made.

    Raises
    ------
    ResumeError
        If the folder is none of a run.
    RunError
        If no relevant teacher answered.
    """
    scenario = parse(RunFolder(folder).config()["scenario"])
    torch.set_num_threads(scenario.threads)
    parts = split(scenario)
    if not parts.complete:
        raise RunError(f"'{folder}': its data does not know all labels, so nothing can be held up.")
    told = folder / "answers"
    answers = AnswerStore(told, len(parts.transfer)).dense() if told.is_dir() else Answers({})
    known = [one.id for one in scenario.pool() if one.relevant and one.id in answers]
    if not known:
        raise RunError(
            f"'{folder}' has no answers of a relevant teacher: take the folder of 'fedsa "
            "suggest-labels --answers', or of a run that asked all teachers."
        )
    return Surveyed(scenario, parts, answers, dict.fromkeys(known, 1.0 / len(known)))


def numbers(text: str) -> list[int]:
    """Return the whole numbers in ``1,2,3``, for a command line."""
    return [int(one) for one in text.split(",")]


def plainly(main: Callable[[], None]) -> None:
    """Run a command; end with one sentence, and not a traceback, where one is meant to be read."""
    try:
        main()
    except FedsaError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
