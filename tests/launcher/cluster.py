"""A Ray cluster of several nodes, each as on a machine of its own where the system allows it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.launcher.commands import Command

ELSEWHERE = """
mount -t tmpfs tmpfs /mnt
temporary=$0 count=0
for folder in "$@"; do
  if [ "$folder" = -- ]; then break; fi
  count=$((count + 1))
  mkdir /mnt/$count
  mount --bind "$folder" /mnt/$count
done
mount -t tmpfs tmpfs "$temporary"
count=0
while [ "$1" != -- ]; do
  count=$((count + 1))
  mkdir -p "$1"
  mount --bind /mnt/$count "$1"
  shift
done
shift
cd /
exec "$@"
"""
"""Hides temporary files but some folders; what comes after ``--`` is then started."""

_PROBE = ("unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt")


def start_ray(command: Command, *arguments: str, before: tuple[str, ...] = ()) -> None:
    """Start a node of a cluster; Flower gives a client two processors unless told otherwise."""
    ray = str(Path(sys.executable).with_name("ray"))
    place = ["--num-cpus", "2", "--node-ip-address", "127.0.0.1"]
    done = subprocess.run(
        [*before, ray, "start", *place, *arguments],
        capture_output=True, text=True, timeout=100,
        env={k: v for k, v in command.variables.items() if k != "RAY_ADDRESS"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def elsewhere(*shared: Path) -> tuple[str, ...]:
    """Return what starts a command as on another machine, which has some folders in common."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return ()
    if any(path.is_relative_to("/mnt") for path in shared):
        return ()  # the script keeps them there for a moment
    if subprocess.run(_PROBE, capture_output=True).returncode != 0:
        return ()  # as in a container that may not mount
    script = ("unshare", "--mount", "sh", "-euc", ELSEWHERE)
    return (*script, tempfile.gettempdir(), *map(str, shared), "--")
