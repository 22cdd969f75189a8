"""``fedsa suggest-labels``: which items to label, before any label is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedsa.cli.commands import Overrides, ScenarioName, Seed, console
from fedsa.cli.main import app

Count = Annotated[int, typer.Option(min=1, help="Labels that can be had.")]
File = Annotated[Path, typer.Option(help="CSV file to write; a page to look at lies beside it.")]
Folder = Annotated[
    Path | None,
    typer.Option(help="Folder for the answers; a run's or an earlier survey's is not asked anew."),
]
FederationName = Annotated[
    str | None, typer.Option(help="Ask the institutions of this federation instead.")
]


@app.command(name="suggest-labels")
def suggest_labels(
    scenario: ScenarioName = None,
    count: Count = 60,
    out: File = Path("labels.csv"),
    answers: Folder = None,
    federation: FederationName = None,
    overrides: Overrides = None,
    seed: Seed = None,
) -> None:
    """Propose which items of the transfer set to label, so that they stand for all of it.

    Every teacher is asked about the whole transfer set, without any label. Fill in the column
    *class* of the file and give it back by *--set task.labelled=FILE*; what is left empty has
    the label of the scenario's data, if that has one.
    """
    from fedsa.cli.checks import check_plugins
    from fedsa.cli.folders import go_on
    from fedsa.data import resolve
    from fedsa.data.splits import split
    from fedsa.errors import RunError
    from fedsa.launcher import federation as remote
    from fedsa.launcher.progress import Progress
    from fedsa.launcher.simulation import simulate
    from fedsa.run_config import find_scenario
    from fedsa.runs.answers import AnswerStore
    from fedsa.runs.default_folder import default_folder
    from fedsa.runs.folder import RunFolder
    from fedsa.runs.suggest import suggest, write
    from fedsa.runs.survey import MODE
    from fedsa.scenario import load

    if out.exists():
        raise RunError(f"'{out}' is there, perhaps with labels in it: give another name by --out.")
    chosen = load(find_scenario(scenario or "quickstart"), overrides or [], seed)
    check_plugins(chosen, trained=federation is None)
    parts = split(chosen)
    if not len(parts.test_inputs):
        raise RunError(
            "No item of the data has a label and there is no test set, so a student could not be "
            "tested: give a test set first (test_inputs and test_labels in an .npz file, "
            "test/<class>/ in a folder), since without it other items would be drawn then."
        )
    if answers is not None and (answers / "config.json").exists():
        folder = go_on(answers, chosen)
    else:
        folder = RunFolder.create(answers or default_folder(f"{chosen.name}-survey"), chosen)
    if not folder.is_finished:
        with Progress(chosen, console) as progress:
            if federation is None:
                simulate(chosen, folder, progress, MODE)
            else:
                remote.run(federation, folder, progress, MODE)
    store = AnswerStore(folder.path / "answers", len(parts.transfer))
    found = suggest(store.dense(), count, chosen.seed)
    data = resolve(chosen.task.data)
    where = [data.where(int(row)) for row in parts.rows[found.items]]
    page = write(out, found, parts.transfer.array, parts.classes, where)
    for item, mass in zip(found.items, found.masses, strict=True):
        console.print(f"{item:>8}  stands for {100 * mass:4.1f} %", highlight=False)
    console.print(f"written: {out}{f', {page}' if page else ''}", highlight=False, soft_wrap=True)
    console.print(f"answers: {folder.path}", highlight=False, soft_wrap=True)
