"""Teachers inside a simulation: one process answers for many, and keeps few of them loaded."""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from fedsa.cache import cache
from fedsa.messages import MessageError, Reply, request_from
from fedsa.pools import pool_key
from fedsa.run_config import scenario_of
from fedsa.teacher.desk import answer
from fedsa.teacher.faults import Fault, failure
from fedsa.teacher.lies import told
from fedsa.teacher.policy.guard import Guard
from fedsa.teacher.policy.offices import Offices
from fedsa.teacher.sets import SetStore
from fedsa.teacher.teacher import Teacher

KEPT = 8
"""Teachers that stay loaded in any case."""
KEPT_BYTES = 256 * 2**20
"""Bytes of weights up to which further ones stay loaded."""

_log = logging.getLogger("fedsa.teacher")


class Cache:
    """The least recently used teachers are let go; small ones may all stay.

    Parameters
    ----------
    kept : int
        Teachers that stay in any case.
    kept_bytes : int
        Beyond that number, as many stay as have this many bytes of weights together.
    """

    def __init__(self, kept: int = KEPT, kept_bytes: int = KEPT_BYTES) -> None:
        self.kept = kept
        self.kept_bytes = kept_bytes
        self._teachers: OrderedDict[tuple[Path, int], Teacher] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._teachers)

    def get(self, path: Path) -> Teacher:
        """Return the teacher of a TOML file, loaded anew only if it was let go or changed.

        Raises
        ------
        TeacherFileError
            If it cannot be loaded.
        """
        with self._lock:
            key = (path, path.stat().st_mtime_ns if path.exists() else 0)
            if key not in self._teachers:
                self._teachers[key] = Teacher.load(path)
            self._teachers.move_to_end(key)
            while len(self) > self.kept and self._bytes() > self.kept_bytes:
                self._teachers.popitem(last=False)
            return self._teachers[key]

    def _bytes(self) -> int:
        return sum(teacher.nbytes for teacher in self._teachers.values())


class Shelf(Mapping[str, Guard]):
    """A node's teachers by id, loaded when they are looked up, each behind its policy.

    Parameters
    ----------
    pool : Path
        The folder of simulated teachers.
    ids : tuple[str, ...]
        Those of this node.
    cache : Cache
        Keeps them loaded.
    records : Path
        Where the institutions whose teachers have a policy keep their records, a folder each.
    """

    def __init__(self, pool: Path, ids: tuple[str, ...], cache: Cache, records: Path) -> None:
        self._pool = pool
        self._ids = ids
        self._cache = cache
        self._records = records

    def __getitem__(self, name: str) -> Guard:
        if name not in self._ids:
            raise KeyError(name)
        teacher = self._cache.get(self._pool / name / "teacher.toml")
        policy = teacher.file.policy
        if policy is None:
            return Guard(teacher)
        return Guard(teacher, policy, _OFFICES.get(self._records / name))

    def __contains__(self, name: object) -> bool:
        return name in self._ids  # the inherited one would load it

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


# A Ray actor lives as long as a run, and with it what its modules hold.
_CACHE = Cache()
_OFFICES = Offices()


def pool_of(run_config: Mapping[str, Any]) -> Path | None:
    """Return the folder of simulated teachers that a run names, or None if there is none.

    A run started by ``flwr run .`` names a scenario only; its pool has a place that follows
    from it.
    """
    if run_config.get("pool"):
        pool = Path(str(run_config["pool"]))
    else:
        items = sorted((key, str(value)) for key, value in run_config.items())
        pool = _pool_of(tuple(items), cache())
    return pool if pool.is_absolute() and (pool / "pool.json").is_file() else None


def records_of(run_config: Mapping[str, Any], pool: Path) -> Path:
    """Return where a run's simulated institutions keep their records.

    In the run's folder, so that each run starts with whole budgets and a resumed one goes on with
    what is left. Where a run does not name its folder, it lies beside the pool, for all such runs
    together.
    """
    run = Path(str(run_config.get("resume") or run_config.get("run-dir") or ""))
    return run / "institutions" if run.is_absolute() else pool.parent.parent / "records" / pool.name


@lru_cache(maxsize=4)
def _pool_of(run_config: tuple[tuple[str, str], ...], folder: Path) -> Path:
    """Return the pool's place in the cache ``folder``."""
    return folder / "pools" / pool_key(scenario_of(dict(run_config)))


def ids_of(pool: Path, partition: int, partitions: int) -> tuple[str, ...]:
    """Return the ids that node ``partition`` of ``partitions`` answers for: ``ids[i::n]``."""
    ids = json.loads((pool / "pool.json").read_text(encoding="utf-8"))["teachers"]
    return tuple(map(str, ids[partition::partitions]))


def respond(
    record: Any, message_type: str, node_config: Mapping[str, Any], run_config: Mapping[str, Any]
) -> Reply:
    """Answer one Flower message's content; never raises.

    Parameters
    ----------
    record : RecordDict
        The message's content.
    message_type : str
        ``query.describe``, ``query.offer``, ``query.predict``, ``query.saliency``, ``query.score``.
    node_config, run_config : Mapping[str, Any]
        Of Flower's context.
    """
    try:
        request = request_from(record, message_type)
        # Only a simulation has partitions. Elsewhere a path that the coordinator wrote into the
        # run's configuration must never be followed.
        if "partition-id" not in node_config:
            raise Fault("no-teacher")
        pool = pool_of(run_config)
        if pool is None:
            raise Fault("no-pool")
        if torch.get_num_threads() != 1:  # actors share the cores, and reruns must agree
            torch.set_num_threads(1)
        partition, partitions = int(node_config["partition-id"]), int(node_config["num-partitions"])
        records = records_of(run_config, pool)
        shelf = Shelf(pool, ids_of(pool, partition, partitions), _CACHE, records)
        reply = answer(request, shelf, SetStore(pool.parent.parent / "sets"))
        return told(request, reply, pool)
    except MessageError:
        return failure("malformed")
    except Fault as fault:
        return failure(fault.code)
    except Exception as error:  # nothing of it may leave
        _log.warning("%s failed", message_type, exc_info=error)
        return failure("internal")
