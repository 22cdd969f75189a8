"""The commands, one function each; the work is done elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from fedsa.cli.main import app
from fedsa.errors import AllTeachersGone, RunError

console = Console()
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a key, as in task.label-share=0.05."),
]
ScenarioName = Annotated[str | None, typer.Argument(show_default=False)]
Out = Annotated[Path | None, typer.Option(help="The run's folder (default: runs/...).")]
Seed = Annotated[int | None, typer.Option(min=0, help="Replace the scenario's seed.")]
Resume = Annotated[Path | None, typer.Option(help="Go on with the interrupted run in this folder.")]
Runs = Annotated[list[Path] | None, typer.Argument(show_default=False)]
Made = Annotated[
    str | None, typer.Option(help="Run this scenario for every strategy and seed first.")
]
Strategies = Annotated[str, typer.Option(help="Strategies to run, parted by commas.")]
Seeds = Annotated[str, typer.Option(help="Seeds to run, as in 0,1,2 or 0-4.")]
Table = Annotated[Path, typer.Option(help="Folder for the runs and the table.")]
Reference = Annotated[str | None, typer.Option(help="What differences are against.")]


@app.command()
def simulate(
    scenario: ScenarioName = None,
    overrides: Overrides = None,
    out: Out = None,
    seed: Seed = None,
    resume: Resume = None,
) -> None:
    """Run a scenario on this machine: private teachers, selection, fusion, a report.

    SCENARIO is a file, or the name of one that comes with fedsa; without one it is *quickstart*.

    The exit code is 0 only if the run truly finished. An interrupted run is gone on with by
    *fedsa simulate --resume FOLDER* and ends as if it had never been interrupted.
    """
    from fedsa.cli import closing, folders
    from fedsa.cli.checks import check_plugins
    from fedsa.launcher import simulate as run
    from fedsa.launcher.progress import Progress
    from fedsa.run_config import find_scenario
    from fedsa.runs.finished import begun
    from fedsa.scenario import load, parse

    if resume is not None and scenario is None:
        if overrides or seed is not None:
            raise RunError(
                "--resume goes on with a run as it was begun: leave --set and --seed out, or name "
                "the scenario too to see what differs."
            )
        chosen = parse(begun(resume))
    else:
        chosen = load(find_scenario(scenario or "quickstart"), overrides or [], seed)
    if resume is not None and out is not None:
        raise RunError("--resume names the run's folder: leave --out out.")
    check_plugins(chosen)
    if not chosen.teachers:
        raise RunError(f"The scenario '{chosen.name}' has no [[teachers]] to simulate: add some.")
    folder = folders.begin(out, chosen) if resume is None else folders.go_on(resume, chosen)
    console.print(f"run folder: {folder.path}", highlight=False, markup=False, soft_wrap=True)
    if folder.is_finished:
        console.print("this run has finished before; its result:")
    try:
        with Progress(chosen, console) as progress:
            summary = run(chosen, folder, progress)
    except AllTeachersGone:
        if (folder.path / "summary.json").exists():  # what there was until then
            closing.show(console, folder.summary(), folder)
        raise
    closing.show(console, summary, folder)


@app.command()
def compare(
    runs: Runs = None,
    scenario: Made = None,
    strategies: Strategies = "fedsa",
    seeds: Seeds = "0-4",
    overrides: Overrides = None,
    out: Table = Path("runs/compare"),
    reference: Reference = None,
) -> None:
    """Compare strategies over seeds: mean, 95 % interval, paired differences, harmful weight.

    RUNS are the folders of finished runs. With --scenario, runs that are not there yet are made
    first (finished ones are kept, so the command can be interrupted and given again).
    """
    from fedsa.cli.many import run_many
    from fedsa.runs.compare import collect, document, markdown
    from fedsa.runs.finished import read_run
    from fedsa.runs.folder import write_json

    folders = list(runs or [])
    if scenario is not None:
        beside = [read_run(folder) for folder in folders]  # before any run is made
        more = overrides or []
        folders += run_many(scenario, strategies, seeds, more, out, console, reference, beside)
    if not folders:
        raise RunError("Nothing to compare: name run folders, or give --scenario.")
    table = collect(folders, reference)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "comparison.json", document(table))
    (out / "comparison.md").write_text(markdown(table), encoding="utf-8")
    console.print(markdown(table), highlight=False, markup=False, soft_wrap=True)
    console.print(f"written: {out / 'comparison.md'}, {out / 'comparison.json'}", highlight=False)


@app.command()
def report(folder: Annotated[Path, typer.Argument()]) -> None:
    """Draw the report.html of the run in FOLDER anew, also of a run that is unfinished."""
    from fedsa.runs.folder import RunFolder
    from fedsa.runs.report import write

    RunFolder(folder).config()  # one sentence if it is no run folder
    console.print(f"report: {write(folder)}", highlight=False, soft_wrap=True)


@app.command()
def new(folder: Annotated[Path, typer.Argument()]) -> None:
    """Write a ready Flower app into FOLDER: clients, server, strategies and scenarios.

    What a scenario can say is listed by *fedsa keys*.
    """
    from fedsa.app_folder import write_app

    path = write_app(folder)
    console.print(f"written: {path}", highlight=False, soft_wrap=True)
    console.print(
        f"next: cd {folder} && fedsa simulate simulations/quickstart.toml", highlight=False
    )


@app.command()
def keys() -> None:
    """List what a scenario file, and --set, can say: every key with its default."""
    from fedsa.cli import listing

    listing.keys(console)


@app.command()
def strategies() -> None:
    """List the strategies that --set strategy=NAME takes, and how to plug in your own."""
    from fedsa.cli import listing

    listing.strategies(console)


@app.command()
def data() -> None:
    """List the datasets: size, classes, licence, and where they are or how to get them."""
    from fedsa.cli import listing

    listing.data(console)


@app.command()
def bench(
    what: Annotated[str, typer.Argument()],
    teachers: Annotated[
        int | None, typer.Option(min=1, help="Teachers: 20 of simulation, 100 of fusion.")
    ] = None,
    items: Annotated[
        int | None, typer.Option(min=1, help="Images: 512 of simulation, 50,000 of fusion.")
    ] = None,
) -> None:
    """Measure speed as a ratio in one run; prints one JSON object.

    WHAT is *simulation* (a round over many teachers against the same forward passes in a plain
    loop), *student* (a fusion step against a plain cross-entropy step of the same student),
    *fusion* (the whole fusion of many teachers' answers on many items, and a step with and without
    teachers that are not selected), or *gateway* (questions through a gateway against the bare
    model). It takes minutes.
    """
    from fedsa import bench as benchmarks

    asked = {"teachers": teachers, "items": items}
    sizes = {name: size for name, size in asked.items() if size is not None}
    kinds: dict[str, Callable[[], dict[str, Any]]] = {
        "simulation": lambda: benchmarks.simulation(**sizes),
        "student": benchmarks.student,
        "fusion": lambda: benchmarks.fusion(**sizes),
        "gateway": benchmarks.gateway,
    }
    if what not in kinds:
        raise RunError(f"There is no benchmark '{what}': choose from {', '.join(kinds)}.")
    with Console(stderr=True).status(f"measuring {what}"):  # standard output has figures alone
        found = kinds[what]()
    typer.echo(json.dumps(found, indent=1))
