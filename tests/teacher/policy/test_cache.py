"""The answer cache: what was told stays told, within bounds, and losing it is no harm."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fedsa.teacher.policy.cache import AnswerCache


@settings(max_examples=10)
@given(st.dictionaries(st.binary(min_size=1, max_size=40), st.binary(max_size=60), max_size=30))
def test_it_gives_back_what_it_was_given(values: dict[bytes, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cache = AnswerCache(Path(folder) / "c")
        cache.keep(values)
        assert cache.find([*values, b"\0" * 41]) == values
        cache.close()
        assert AnswerCache(Path(folder) / "c").find(list(values)) == values


def test_the_first_value_stays(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "c")
    cache.keep({b"k": b"first"})
    cache.keep({b"k": b"second", b"j": b"other"})
    assert cache.find([b"k", b"j"]) == {b"k": b"first", b"j": b"other"}


def test_many_keys_at_once(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "c")
    values = {k.to_bytes(32, "big"): bytes([k % 256]) for k in range(3000)}
    cache.keep(values)
    assert cache.find(list(values)) == values


def test_the_oldest_go_when_it_is_full(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "c", limit=300_000)
    for start in range(0, 20_000, 100):
        cache.keep({k.to_bytes(32, "big"): b"x" * 64 for k in range(start, start + 100)})
    old = cache.find([k.to_bytes(32, "big") for k in range(1000)])
    new = cache.find([k.to_bytes(32, "big") for k in range(19_500, 20_000)])
    assert not old and len(new) == 500
    assert (tmp_path / "c").stat().st_size < 400_000


def test_threads_share_it(tmp_path: Path) -> None:
    caches = [AnswerCache(tmp_path / "c") for _ in range(2)]

    def work(k: int) -> bool:
        key = (k % 10).to_bytes(4, "big")
        caches[k % 2].keep({key: key})
        return caches[(k + 1) % 2].find([key]) == {key: key}

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(100)))
