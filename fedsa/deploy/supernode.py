"""A SuperNode that runs approved bundles only: ``python -m fedsa.deploy.supernode STATE ...``.

A process of its own, so that nothing of fedsa but the lock is in it.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from fedsa.deploy.bundles import Bundles
from fedsa.deploy.pinning import lock
from fedsa.errors import RunError

QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    # Without this a coordinator's bundle could name packages to install.
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "PYTHONUNBUFFERED": "1",
}


def replace_process(state: Path, arguments: Sequence[str]) -> NoReturn:
    """Become the SuperNode's process.

    Parameters
    ----------
    state : Path
        The institution's folder for bundles and approvals.
    arguments : Sequence[str]
        As ``flower-supernode`` takes them.

    Raises
    ------
    RunError
        If they would let code in that is not in the bundle.
    """
    for argument in arguments:
        if argument.startswith("--allow-runtime-dependency"):
            raise RunError(
                "--allow-runtime-dependency-installation would install what a coordinator names: "
                "leave it out."
            )
    scripts = sysconfig.get_path("scripts")
    environment = {
        **os.environ,
        **QUIET,
        # Flower starts its own commands by name, whether or not the environment is active.
        "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")]),
    }
    sys.stdout.flush()
    command = [
        sys.executable,
        "-P",
        "-m",
        "fedsa.deploy.supernode",
        str(state.resolve()),
        *arguments,
    ]
    os.execve(sys.executable, command, environment)


def main() -> NoReturn:
    """Lock, then start Flower's own command."""
    state, arguments = Path(sys.argv[1]), sys.argv[2:]
    try:
        lock(Bundles(state))
    except RunError as error:
        sys.exit(f"error: {error}")
    from flwr.supernode.cli.flower_supernode import flower_supernode

    sys.argv = ["flower-supernode", *arguments]
    flower_supernode()
    sys.exit(0)


if __name__ == "__main__":
    main()
