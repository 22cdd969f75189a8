"""Simulated private teachers: each trained on its own shard, kept as an institution keeps it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from fedsa import __version__, ready_made
from fedsa.cache import cache
from fedsa.data import DATASETS, path_of
from fedsa.data.files import fingerprint
from fedsa.data.shards import Shard
from fedsa.data.splits import Split
from fedsa.errors import DataError, RunError
from fedsa.models import MODELS, build
from fedsa.options import SaliencyOptions, TeacherOptions
from fedsa.private_training import Scaling, train
from fedsa.saliency import METHODS, QUERY_ONLY
from fedsa.scenario import Scenario
from fedsa.seeding import derive
from fedsa.sources import parts

_SMALL = 30_000
"""Items times epochs up to which starting other processes takes longer than the training."""

_MAKERS = ("data/", "models/", "pools.py", "private_training.py", "seeding.py")
"""What of the library decides how a teacher turns out."""

Progress = Callable[[str, int, int], None]
"""Called with the id of the teacher that is next, how many are done, and how many there are."""


def pool_key(scenario: Scenario) -> str:
    """Return 16 hex digits that name a pool, from all that its teachers depend on.

    These are the library's version and the code that draws and trains, that of plug-ins among it,
    the seed, the teachers' options (but not ``relevant``, which is for the report), the part of the
    task's options that decides which items are left for them, and the content of data files and of
    ready-made teachers' files. The share of labels is not among them, so runs that differ in it
    alone have the same teachers.
    """
    task, pool = scenario.task, scenario.pool()
    files = {
        teacher.file: ready_made.fingerprint(Path(teacher.file), teacher.id)
        for teacher in pool
        if teacher.file is not None
    }
    for name in sorted({task.data, *(teacher.data for teacher in pool)}):
        path = path_of(name)
        if path is not None and path.exists():
            files[name] = fingerprint(path)
    named = [(DATASETS, name) for name in (task.data, *(t.data for t in pool))]
    named += [(MODELS, teacher.model) for teacher in pool if teacher.file is None]
    named += [(METHODS, scenario.saliency.method)]
    matters = {
        "version": __version__,
        "code": parts(*_MAKERS),
        "plug-ins": {name: code for kind, name in named if (code := kind.source(name))},
        "seed": scenario.seed,
        "task": {
            **task.model_dump(mode="json", include={"data", "items", "test_items"}),
            "classes": task.named,
        },
        "teachers": [
            t.model_dump(mode="json", exclude={"relevant", "count"}, exclude_none=True)
            for t in pool
        ],
        "files": files,
        "torch": torch.__version__,
        "saliency": scenario.saliency.model_dump(mode="json", include={"method", "grid", "bits"}),
    }
    return hashlib.sha256(json.dumps(matters, sort_keys=True).encode()).hexdigest()[:16]


def build_pool(scenario: Scenario, split: Split, progress: Progress) -> Path:
    """Train every teacher of the pool, unless that was done before, and return its folder.

    The folder holds ``<id>/teacher.toml`` for each teacher, ``<id>/weights.safetensors`` for each
    that was trained (that of a ready-made one points to the files where they are), and
    ``pool.json`` with their ids in order once all are there. Each teacher's folder is renamed
    into its place when whole, so a build that was killed goes on where it was.

    Parameters
    ----------
    scenario : Scenario
        Its ``pool()`` is built.
    split : Split
        Holds the teachers' shards.
    progress : Callable[[str, int, int], None]
        Called before each teacher is trained, and with all done at the end.

    Raises
    ------
    RunError
        If the cache cannot be written.
    PluginError
        If a teacher's model is unknown or does not fit its data.
    TeacherFileError
        If the file of a ready-made teacher cannot be read or has another id.
    """
    folder = cache() / "pools" / pool_key(scenario)
    pool = scenario.pool()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        todo = [options for options in pool if not (folder / options.id).is_dir()]
        for done, name in enumerate(_make_all(folder, todo, split, scenario)):
            progress(name, len(pool) - len(todo) + done, len(pool))
        progress(pool[-1].id if pool else "", len(pool), len(pool))
        if not (folder / "pool.json").is_file():
            _write_list(folder, [options.id for options in pool])
    except OSError as error:
        raise RunError(
            f"The teachers cannot be kept in '{folder}' ({error.strerror or error}): make room or "
            "set FEDSA_CACHE to a folder that can be written."
        ) from error
    return folder


def _make_all(
    folder: Path, todo: list[TeacherOptions], split: Split, scenario: Scenario
) -> Iterator[str]:
    """Put ready-made teachers into place and train the others, one core each.

    Yields the id of the next that will be done.

    One thread a teacher, whatever the machine: so small nets gain nothing by more, and the same
    seed gives the same teachers.
    """
    for options in todo:
        if options.file is not None:
            yield options.id
            with _placed(folder, options) as making:
                ready_made.put(Path(options.file), options.id, making)
    todo = [options for options in todo if options.file is None]
    if sum(options.epochs * options.items for options in todo) <= _SMALL:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for options in todo:
                yield options.id
                _make(folder, options, split.shards[options.id], scenario.seed, scenario.saliency)
        finally:
            torch.set_num_threads(threads)
        return
    workers = min(len(todo), os.cpu_count() or 1)
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        made = [
            pool.submit(
                _make,
                folder,
                options,
                split.shards[options.id],
                scenario.seed,
                scenario.saliency,
            )
            for options in todo
        ]
        try:
            for options, future in zip(todo, made, strict=True):
                yield options.id
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _make(
    folder: Path,
    options: TeacherOptions,
    shard: Shard,
    seed: int,
    saliency: SaliencyOptions = SaliencyOptions(),  # noqa: B008  (frozen)
) -> None:
    """Train one teacher and put its folder into place, whole or not at all."""
    if shard.inputs.ndim == 3:
        raise DataError(
            f"The teacher '{options.id}' would need items of shape {shard.inputs.shape[1:]}; a "
            "teacher takes images (C, H, W) or vectors."
        )
    shape = tuple(shard.inputs.shape[1:])
    model = build(options.model, shape, len(shard.classes), derive(seed, "teacher", options.id))
    scaling = Scaling.of(shard.inputs)
    train(model, scaling, shard, options.epochs, derive(seed, "training", options.id))
    with _placed(folder, options) as making:
        tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
        save_file(tensors, making / "weights.safetensors")
        card = _card(options, shard, shape, scaling, saliency)
        (making / "teacher.toml").write_text(card, encoding="utf-8")


@contextmanager
def _placed(folder: Path, options: TeacherOptions) -> Iterator[Path]:
    """Give a folder to write a teacher into, and put it into place when that was done."""
    making = Path(tempfile.mkdtemp(prefix=f".{options.id}-", dir=folder))
    try:
        yield making
        if options.lie is not None:
            (making / "lie.json").write_text(json.dumps({"lie": options.lie}), encoding="utf-8")
        try:
            making.rename(folder / options.id)
        except OSError:
            if not (folder / options.id).is_dir():  # else another run made the same one
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _card(
    options: TeacherOptions,
    shard: Shard,
    shape: tuple[int, ...],
    scaling: Scaling,
    saliency: SaliencyOptions,
) -> str:
    def toml(value: object) -> str:  # TOML's strings, numbers and lists are JSON's
        return json.dumps(value, ensure_ascii=False)

    def numbers(values: np.ndarray) -> str:
        return toml([float(value) for value in values])

    methods = METHODS.builtins if shard.task.distributions else QUERY_ONLY
    return (
        f"id = {toml(options.id)}\n"
        f"task = {toml(shard.task.kind)}\n"
        f"classes = {toml(_outputs(shard))}\n"
        f"licence = {toml(shard.licence)}\n"
        f"architecture = {toml(options.model.rpartition(':')[2])}\n\n"
        "[model]\n"
        f"factory = {toml(options.model)}\n"
        'weights = "weights.safetensors"\n\n'
        "[input]\n"
        f"shape = {toml(shape)}\n"
        "low = 0.0\nhigh = 1.0\n"
        f"mean = {numbers(scaling.mean)}\n"
        f"std = {numbers(scaling.std)}\n\n"
        # A simulated institution lets out what the scenario asks for.
        "[saliency]\n"
        f"grid = {max(saliency.grid, SaliencyOptions().grid)}\n"
        f"bits = {max(saliency.bits, SaliencyOptions().bits)}\n"
        f"methods = {toml(sorted({*methods, saliency.method}))}\n"
        f"{_policy(options)}"
    )


def _outputs(shard: Shard) -> object:
    """Return what a card says of the outputs: their names, or how many cells a mask has."""
    return len(shard.classes) if shard.task.kind == "segmentation" else shard.classes


def _policy(options: TeacherOptions) -> str:
    """Return the tables of a teacher's policy; nothing where it has none."""
    if options.policy is None:
        return ""
    document = options.policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    tables = {"policy": {k: v for k, v in document.items() if not isinstance(v, dict)}}
    tables |= {f"policy.{k}": v for k, v in document.items() if isinstance(v, dict)}
    return "".join(
        f"\n[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
        for name, table in tables.items()
    )


def _write_list(folder: Path, ids: list[str]) -> None:
    making = folder / f".pool.json.{os.getpid()}"
    document = {"teachers": ids, "fedsa": __version__, "torch": torch.__version__}
    making.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    making.replace(folder / "pool.json")
