"""The command line: parses, calls, and turns errors into one sentence and an exit code."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console

from fedsa.errors import FedsaError, ScenarioError

app = typer.Typer(
    name="fedsa",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help=(
        "Train a student for your task from private teachers' answers alone.\n\n"
        "Begin with **fedsa new my-app**, then **fedsa simulate my-app/simulations/"
        "quickstart.toml**; look at the **report.html** of the run that it names. "
        "**fedsa data** lists datasets, **fedsa strategies** what else can be run, and "
        "**fedsa compare** puts runs side by side."
    ),
)
errors = Console(stderr=True)
_STOPPED: dict[object, str] = {
    129: "ended with its terminal",
    130: "interrupted",
    143: "ended by a signal",
}


def main() -> NoReturn:
    """Run the command line; never shows a traceback for what a person can mend."""
    from fedsa.cli import client, commands, deploy, records, run, suggest, table, teacher  # noqa: F401

    sys.path.append(str(Path.cwd()))  # for a person's own models and plug-ins; never before others
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _stop)
    try:
        app()
    except FedsaError as error:
        faults = error.faults if isinstance(error, ScenarioError) else (str(error),)
        for fault in faults:
            errors.print(f"[bold red]error:[/] {_escaped(fault)}", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except SystemExit as left:
        if left.code in _STOPPED:
            errors.print(
                f"{_STOPPED[left.code]}; what was done is kept: go on with a run by --resume FOLDER"
            )
        raise
    except OSError as error:
        where = f" '{error.filename}'" if error.filename else ""
        errors.print(
            f"[bold red]error:[/] {_escaped(f'cannot read or write{where}: {error.strerror}.')}",
            highlight=False,
            soft_wrap=True,
        )
        sys.exit(5)
    sys.exit(0)


def _stop(number: int, _: object) -> NoReturn:
    """Leave by an exception, so that all that was started is ended on the way out."""
    for number_ in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number_, signal.SIG_IGN)  # impatience must not stop the clearing up
    for process in multiprocessing.active_children():
        process.kill()  # nobody waits for teachers half trained
    sys.exit(128 + number)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
