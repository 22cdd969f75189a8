"""The simulation's host: which node has which teachers, and how many stay loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsa.data.transfer import content_hash
from fedsa.errors import TeacherFileError
from fedsa.messages import Describe, Predict, Predicted, message_type, offers, to_record
from fedsa.pools import pool_key
from fedsa.run_config import scenario_of
from fedsa.teacher.host import Cache, Shelf, ids_of, pool_of, records_of, respond
from fedsa.teacher.policy import audit

Make = Callable[..., Path]


def test_a_pool_is_found_only_where_there_is_one(tmp_path: Path) -> None:
    assert pool_of({"pool": 3}) is None
    assert pool_of({"pool": "relative"}) is None
    assert pool_of({"pool": str(tmp_path)}) is None
    (tmp_path / "pool.json").write_text('{"teachers": []}')
    assert pool_of({"pool": str(tmp_path)}) == tmp_path


def test_a_pool_that_is_not_named_has_a_place_that_follows_from_the_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"scenario": "quickstart", "seed": 4}
    for folder in (tmp_path / "one", tmp_path / "another"):
        monkeypatch.setenv("FEDSA_CACHE", str(folder))
        assert pool_of(config) is None
        place = folder / "pools" / pool_key(scenario_of(config))
        place.mkdir(parents=True)
        (place / "pool.json").write_text('{"teachers": []}')
        assert pool_of(config) == place
        assert pool_of(config | {"seed": 5}) is None


@given(st.integers(0, 30), st.integers(1, 12))
def test_every_teacher_is_on_exactly_one_node(
    tmp_path_factory: pytest.TempPathFactory, teachers: int, nodes: int
) -> None:
    pool = tmp_path_factory.getbasetemp()
    ids = [f"t{k}" for k in range(teachers)]
    (pool / "pool.json").write_text(json.dumps({"teachers": ids}))
    shares = [ids_of(pool, node, nodes) for node in range(nodes)]
    assert sorted(name for share in shares for name in share) == sorted(ids)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_the_cache_keeps_the_last_used_and_loads_no_more_than_it_must(make_teacher: Make) -> None:
    paths = [make_teacher(f"t{k}") for k in range(4)]
    cache = Cache(kept=2, kept_bytes=0)
    first = cache.get(paths[0])
    assert cache.get(paths[0]) is first
    cache.get(paths[1])
    cache.get(paths[0])
    cache.get(paths[2])  # lets go of the second, not of the first
    assert len(cache) == 2 and cache.get(paths[0]) is first
    roomy = Cache(kept=2, kept_bytes=2**30)
    kept = [roomy.get(path) for path in paths]
    assert [roomy.get(path) for path in paths] == kept


def test_a_teacher_whose_file_changed_is_loaded_anew(make_teacher: Make) -> None:
    cache = Cache()
    before = cache.get(make_teacher()).card
    import os

    path = make_teacher(licence="CC0")
    os.utime(path, ns=(1, 1))
    assert cache.get(path).card.licence == "CC0" != before.licence


def test_the_shelf_loads_on_lookup_only(make_teacher: Make, tmp_path: Path) -> None:
    path = make_teacher()
    cache = Cache()
    shelf = Shelf(path.parent.parent, ("mint", "gone"), cache, tmp_path / "records")
    assert "mint" in shelf and "thyme" not in shelf and list(shelf) == ["mint", "gone"]
    assert len(cache) == 0
    assert shelf["mint"].card.id == "mint" and len(cache) == 1
    with pytest.raises(KeyError):
        shelf["thyme"]
    with pytest.raises(TeacherFileError):
        shelf["gone"]


def test_records_lie_in_the_runs_folder_or_beside_the_pool(tmp_path: Path) -> None:
    pool = tmp_path / "pools" / "p"
    run = tmp_path / "run"
    assert records_of({"run-dir": str(run)}, pool) == run / "institutions"
    assert records_of({"run-dir": "", "resume": str(run)}, pool) == run / "institutions"
    assert records_of({"run-dir": "relative"}, pool) == tmp_path / "records" / "p"
    assert records_of({}, pool) == tmp_path / "records" / "p"


def _respond(request: Any, pool: Path, run: Path) -> Any:
    config = {"pool": str(pool), "run-dir": str(run)}
    node = {"partition-id": 0, "num-partitions": 1}
    return respond(to_record(request), message_type(request), node, config)


def test_a_simulated_teacher_with_a_policy_keeps_to_it_run_by_run(
    make_teacher: Make, items: np.ndarray, tmp_path: Path
) -> None:
    policy = {"calls": ["predict"], "coordinators": ["local"], "any-set": True}
    path = make_teacher(policy=policy)
    path.write_text(path.read_text() + "[policy.budget]\npredict = 4\n")
    make_teacher("free")
    pool = path.parent.parent
    (pool / "pool.json").write_text('{"teachers": ["mint", "free"]}')
    name = content_hash(items)
    for run in (tmp_path / "one", tmp_path / "two"):
        for offer in offers("mint", name, items):
            assert _respond(offer, pool, run).status == "held"
        free, metered = _respond(Describe(), pool, run).cards
        assert free.terms is None and metered.terms.left("predict") == 4
        assert isinstance(_respond(Predict("mint", name, np.arange(3)), pool, run), Predicted)
        assert _respond(Predict("mint", name, np.arange(5)), pool, run).code == "budget"
        assert isinstance(_respond(Predict("free", name, np.arange(9)), pool, run), Predicted)
        assert _respond(Describe(), pool, run).cards[1].terms.left("predict") == 1
        assert [row[1:] for row in audit_sums(run / "institutions" / "mint")] == [("mint", 3)]
        assert not (run / "institutions" / "free").exists()


def audit_sums(folder: Path) -> list[tuple[str, str, int]]:
    assert audit.verify(folder) == []
    charges = [record for record in audit.show(folder) if record["event"] == "charge"]
    return [(row["caller"], row["teacher"], row["charged"]) for row in charges]
