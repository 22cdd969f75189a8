"""The simulation's host: which node has which teachers, and how many stay loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsa.errors import TeacherFileError
from fedsa.pools import pool_key
from fedsa.run_config import scenario_of
from fedsa.teacher.host import Cache, Shelf, ids_of, pool_of

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


def test_the_shelf_loads_on_lookup_only(make_teacher: Make) -> None:
    path = make_teacher()
    cache = Cache()
    shelf = Shelf(path.parent.parent, ("mint", "gone"), cache)
    assert "mint" in shelf and "thyme" not in shelf and list(shelf) == ["mint", "gone"]
    assert len(cache) == 0
    assert shelf["mint"].card.id == "mint" and len(cache) == 1
    with pytest.raises(KeyError):
        shelf["thyme"]
    with pytest.raises(TeacherFileError):
        shelf["gone"]
