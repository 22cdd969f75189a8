"""``fedsa bench simulation``: a round of questions against the same forward passes in a loop.

The round is the real thing: Flower's simulation on Ray, started by the launcher, the ClientApp
that an institution deploys, teachers loaded from their files. It is measured from inside the
ServerApp by :mod:`fedsa.bench.measure`, which stands in for a strategy recipe.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from fedsa.launcher import simulate
from fedsa.launcher.progress import Progress
from fedsa.options import (
    FederationOptions,
    SaliencyOptions,
    SelectionOptions,
    StudentOptions,
    TaskOptions,
    TeacherOptions,
)
from fedsa.runs.folder import RunFolder
from fedsa.scenario import Scenario

MODELS = ("conv", "resnet8", "mlp")
CLASSES = 4
SHARD = 20
REPEATS = 5


def simulation(teachers: int = 20, items: int = 512, repeats: int = REPEATS) -> dict[str, Any]:
    """Measure a round of predict questions over many simulated teachers.

    Parameters
    ----------
    teachers : int
        N, of three architectures in turn; untrained, as their accuracy does not matter here.
    items : int
        Images that each is asked about, in one question.
    repeats : int
        Rounds measured, each next to its loops.

    Returns
    -------
    dict[str, Any]
        ``ratio`` is the median time of a round over that of the plain loop; ``seconds`` has
        the times; see :func:`fedsa.bench.measure.recipe` for what is timed.

    Raises
    ------
    FedsaError
        If the run did not finish; its folder is kept.
    """
    place = Path(tempfile.mkdtemp(prefix="fedsa-bench-"))
    chosen = _scenario(teachers, items, repeats)
    folder = RunFolder.create(place / "run", chosen)
    with _cache(place / "cache"), Progress(chosen, Console(stderr=True)) as progress:
        simulate(chosen, folder, progress)
    found: dict[str, Any] = json.loads((folder.path / "bench.json").read_text("utf-8"))
    shutil.rmtree(place, ignore_errors=True)
    return found


def _scenario(teachers: int, items: int, repeats: int) -> Scenario:
    """Describe the run: its rounds are those measured, its response items those asked about."""
    return Scenario(
        name="bench-simulation",
        strategy="fedsa.bench.measure:recipe",
        rounds=repeats,
        baselines=(),
        task=TaskOptions(items=max(items, 100), label_share=0.2, test_items=10),
        student=StudentOptions(steps=2),
        saliency=SaliencyOptions(probe_items=2, shown=0),
        selection=SelectionOptions(response_items=max(items, 2)),
        federation=FederationOptions(actors=max(1, min(2, os.cpu_count() or 1))),
        teachers=tuple(
            TeacherOptions(
                id=f"teacher-{number:04d}",
                model=MODELS[number % len(MODELS)],
                classes_each=CLASSES,
                items=SHARD,
                epochs=0,
            )
            for number in range(teachers)
        ),
    )


@contextmanager
def _cache(folder: Path) -> Iterator[None]:
    """Keep the benchmark's teachers out of the person's own cache."""
    before = os.environ.get("FEDSA_CACHE")
    os.environ["FEDSA_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["FEDSA_CACHE"]
        else:
            os.environ["FEDSA_CACHE"] = before
