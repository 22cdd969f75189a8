"""The command line: parses, calls, and turns errors into one sentence and an exit code."""

from __future__ import annotations

import signal
import sys
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


def main() -> NoReturn:
    """Run the command line; never shows a traceback for what a person can mend."""
    from fedsa.cli import commands  # noqa: F401, PLC0415  (registers the commands, imports torch late)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    try:
        app()
    except FedsaError as error:
        faults = error.faults if isinstance(error, ScenarioError) else (str(error),)
        for fault in faults:
            errors.print(f"[bold red]error:[/] {_escaped(fault)}", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        errors.print("interrupted; what was done is in the run's folder", highlight=False)
        sys.exit(130)
    except OSError as error:
        where = f" '{error.filename}'" if error.filename else ""
        errors.print(
            f"[bold red]error:[/] {_escaped(f'cannot read or write{where}: {error.strerror}.')}",
            highlight=False, soft_wrap=True,
        )
        sys.exit(5)
    sys.exit(0)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
