"""Streams by name do not depend on each other."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedsa.seeding import derive, numpy_generator, torch_generator

purposes = st.lists(st.one_of(st.integers(0, 99), st.text("abc-", min_size=1)), max_size=3)


@given(st.integers(0, 2**40), purposes)
def test_a_seed_is_63_bits_and_repeats(seed: int, purpose: list[int | str]) -> None:
    assert 0 <= derive(seed, *purpose) < 2**63
    assert derive(seed, *purpose) == derive(seed, *purpose)


@given(st.lists(st.tuples(st.integers(0, 99), purposes), min_size=2, max_size=9))
def test_different_purposes_have_different_seeds(named: list[tuple[int, list[int | str]]]) -> None:
    texts = {"/".join(map(str, (seed, *purpose))) for seed, purpose in named}
    assert len({derive(seed, *purpose) for seed, purpose in named}) == len(texts)


def test_a_known_seed() -> None:
    """The first 63 bits of the sha256 of "7/probe": a change would alter every run."""
    assert derive(7, "probe") == 9088481703349129323


def test_one_stream_does_not_move_another() -> None:
    alone = torch.rand(3, generator=torch_generator(1, "b"))
    first = torch_generator(1, "a")
    torch.rand(1000, generator=first)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3, generator=torch_generator(1, "b")), alone)
    assert not torch.equal(torch.rand(3, generator=torch_generator(1, "a")), alone)
    assert not torch.equal(torch.rand(3, generator=torch_generator(2, "b")), alone)


def test_streams_with_like_names_are_not_alike() -> None:
    """Were one stream a shifted copy of another, their draws would correlate."""
    draws = np.stack([numpy_generator(0, "round", i).standard_normal(4000) for i in range(4)])
    assert np.abs(np.corrcoef(draws) - np.eye(4)).max() < 0.08
