"""Sharing items among classes and teachers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fedsa.data.allot import in_proportion, match, spread

ROOMS = st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(any)


@given(room=ROOMS, share=st.floats(0, 1))
def test_spread_is_even_except_where_a_class_is_full(room: list[int], share: float) -> None:
    total = round(share * sum(room))
    given_ = spread(total, np.array(room))
    assert given_.sum() == total
    assert (given_ >= 0).all()
    assert (given_ <= room).all()
    not_full = given_[given_ < room]
    if len(not_full):
        assert given_.max() - not_full.min() <= 1


@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=8), share=st.floats(0, 1))
def test_in_proportion_leaves_no_class_out(counts: list[int], share: float) -> None:
    total = len(counts) + round(share * (sum(counts) - len(counts)))
    given_ = in_proportion(total, np.array(counts))
    assert given_.sum() == total
    assert (given_ >= 1).all()
    assert (given_ <= counts).all()


def test_in_proportion_by_hand() -> None:
    # 10 of (60, 30, 10) is (6, 3, 1); of (97, 2, 1) the small ones still get one each.
    assert in_proportion(10, np.array([60, 30, 10])).tolist() == [6, 3, 1]
    assert in_proportion(10, np.array([97, 2, 1])).tolist() == [8, 1, 1]


def test_match_is_even_where_there_is_enough() -> None:
    given_ = match([6, 4], [np.array([0, 1]), np.array([1, 2])], np.array([10, 10, 10]))
    assert given_.tolist() == [[3, 3, 0], [0, 2, 2]]


def test_match_makes_room_for_who_has_no_other_class() -> None:
    # The second takes nothing but class 0, so the first must take its items from class 1.
    given_ = match([6, 5], [np.array([0, 1]), np.array([0])], np.array([5, 6]))
    assert given_.tolist() == [[0, 6], [5, 0]]


def test_match_gives_the_most_it_can() -> None:
    assert match([6, 6], [np.array([0]), np.array([0])], np.array([7, 9])).sum() == 7


@given(
    room=st.lists(st.integers(0, 20), min_size=3, max_size=3),
    wants=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    data=st.data(),
)
def test_match_never_gives_what_is_not_there(
    room: list[int], wants: list[int], data: st.DataObject
) -> None:
    sets = st.sets(st.integers(0, 2), min_size=1)
    classes = [np.array(sorted(data.draw(sets))) for _ in wants]
    given_ = match(wants, classes, np.array(room))
    assert (given_.sum(axis=0) <= room).all()
    assert (given_.sum(axis=1) <= wants).all()
    for own, row in zip(classes, given_, strict=True):
        assert not np.delete(row, own).any()
    # Hall's condition on every set of classes tells whether all wishes fit together.
    fits = all(
        sum(w for w, own in zip(wants, classes, strict=True) if set(own) <= chosen)
        <= sum(room[kind] for kind in chosen)
        for chosen in ({0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}, {0, 1, 2})
    )
    assert (given_.sum() == sum(wants)) == fits
