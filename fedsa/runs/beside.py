"""When the baselines of a run are trained, and on whose answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from fedsa.problem import Answers
from fedsa.runs.baselines import ALONE, Baselines
from fedsa.runs.run import Run, rounded
from fedsa.strategy import aside


class Beside:
    """The baselines of one run.

    They get every teacher's answers on the whole transfer set, asked for before the run, and are
    trained beside it. Where an institution has terms that would spend a budget on something else
    than the run: then they are trained after it, on the answers that the run itself got, which
    the summary tells.

    Parameters
    ----------
    run : Run
        Its scenario names the baselines; its folder knows those that were measured before.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        told = run.folder.events("baseline")
        self.found = {e["name"]: e["metric"] for e in told}
        self.heads = {e["name"]: e["heads"] for e in told if "heads" in e}
        test = run.test_inputs, run.test_labels
        self._training = Baselines(
            run.problem, test, torch.from_numpy(run.split.truth), run.scenario
        )
        self._later: list[str] = []

    def __enter__(self) -> Beside:
        self._training.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._training.__exit__(*error)

    def begin(self, grid: Any) -> None:
        """Start those that are not measured yet.

        Raises
        ------
        AllTeachersGone
            If there are some that need answers, and nobody is here.
        """
        run = self.run
        todo = [name for name in run.scenario.baselines if name not in self.found]
        alone = [name for name in todo if name in ALONE]
        asking = [name for name in todo if name not in ALONE]
        if asking and aside.metered(run.strategy, grid):
            self._later = asking
            self._training.begin(alone, Answers({}), None)
        elif asking:
            names = ", ".join(asking)
            run.folder.emit("phase", phase=f"asking all teachers for the baselines {names}")
            self._start(todo, aside.survey(run.strategy, grid))
        else:
            self._training.begin(todo, Answers({}), None)

    def end(self) -> dict[str, float]:
        """Wait for the baselines; return those that the scenario names, in its order."""
        self.run.folder.emit("phase", phase="waiting for the baselines")
        self._collect()
        if self._later:
            names, own = ", ".join(self._later), aside.answers(self.run.strategy)
            self._note(
                f"The baselines {names} were trained after the run on the answers that it had "
                "asked for, as a teacher's budget is not spent on anything else."
            )
            self._start(self._later, own, whole=False)
            self._collect()
        return {
            name: self.found[name] for name in self.run.scenario.baselines if name in self.found
        }

    def _start(self, names: Sequence[str], answers: Answers, whole: bool = True) -> None:
        evidence = None
        if answers:
            evidence = aside.evidence(self.run.strategy)
        else:  # the first round tells that nobody answers
            names = [name for name in names if name in ALONE]
        if whole and answers:
            self._tell_gaps(answers)
        self._training.begin(names, answers, evidence)

    def _tell_gaps(self, answers: Answers) -> None:
        """Note whose answers the baselines lack."""
        items = len(self.run.problem.transfer)
        for name in sorted({*self.run.strategy.inquiry.exchange.cards, *answers}):
            had = int(answers.asked(name).sum()) if name in answers else 0
            if had < items:
                self._note(
                    f"The baselines were trained on {had} of {items} answers of the teacher "
                    f"'{name}', as the others had not come when they began."
                )

    def _note(self, sentence: str) -> None:
        self.run.folder.emit("note", sentence=sentence)

    def _collect(self) -> None:
        for name, measured in self._training.finished():
            self.found[name] = round(measured.metric, 6)
            more: dict[str, Any] = {} if measured.bytes is None else {"bytes": measured.bytes}
            if measured.heads is not None:
                more["heads"] = self.heads[name] = rounded(measured.heads)
            self.run.folder.emit("baseline", name=name, metric=self.found[name], **more)
