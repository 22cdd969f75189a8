"""``fedsa run``: a scenario with real institutions' teachers."""

from __future__ import annotations

from typing import Annotated

import typer

from fedsa.cli.commands import Out, Overrides, Resume, ScenarioName, Seed, console
from fedsa.cli.main import app
from fedsa.errors import AllTeachersGone, RunError

FederationName = Annotated[
    str,
    typer.Option(help="The SuperLink's connection in Flower's config.toml.", show_default=False),
]


@app.command()
def run(
    federation: FederationName,
    scenario: ScenarioName = None,
    overrides: Overrides = None,
    out: Out = None,
    seed: Seed = None,
    resume: Resume = None,
) -> None:
    """Run a scenario in a federation: real institutions' teachers, the same report.

    SCENARIO is as for *fedsa simulate*; its [[teachers]] are not trained: they tell the report
    whom to expect. The SuperLink must run on this machine, or one that reaches the run
    folder under the same path.

    The exit code is 0 only if the run truly finished. An interrupted run is gone on with by
    *fedsa run --federation NAME --resume FOLDER*; Ctrl-C stops it at the SuperLink too.
    """
    from fedsa.cli import closing, folders
    from fedsa.cli.checks import check_plugins
    from fedsa.launcher.federation import run as start
    from fedsa.launcher.progress import Progress
    from fedsa.run_config import find_scenario
    from fedsa.runs.finished import begun
    from fedsa.scenario import load, parse

    if resume is not None and out is not None:
        raise RunError("--resume names the run's folder: leave --out out.")
    if resume is not None and scenario is None:
        if overrides or seed is not None:
            raise RunError(
                "--resume goes on with a run as it was begun: leave --set and --seed out, or name "
                "the scenario too to see what differs."
            )
        chosen = parse(begun(resume))
    else:
        chosen = load(find_scenario(scenario or "quickstart"), overrides or [], seed)
    check_plugins(chosen, trained=False)
    folder = folders.begin(out, chosen) if resume is None else folders.go_on(resume, chosen)
    console.print(f"run folder: {folder.path}", highlight=False, markup=False, soft_wrap=True)
    if folder.is_finished:
        console.print("this run has finished before; its result:")
    try:
        with Progress(chosen, console) as progress:
            summary = start(federation, folder, progress)
    except AllTeachersGone:
        if (folder.path / "summary.json").exists():  # what there was until then
            closing.show(console, folder.summary(), folder)
        raise
    closing.show(console, summary, folder)
