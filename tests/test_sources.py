"""The digest of the sources changes with what they do, and not for a comment."""

from __future__ import annotations

import pytest

from fedsa.sources import code_of, meaning, parts, sources

SOURCE = '''
"""A module."""

def double(x):
    """Return twice x."""
    return 2 * x
'''


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("    return", "    # why\n    return", True),
        ("twice x", "two x", True),
        ('"""A module."""\n', "", True),
        ("2 * x", "3 * x", False),
        ("(x)", "(x, y=1)", False),
    ],
)
def test_only_what_runs_has_a_meaning(before: str, after: str, same: bool) -> None:
    assert before in SOURCE
    assert (meaning(SOURCE) == meaning(SOURCE.replace(before, after, 1))) is same


def test_some_of_the_library_is_told_apart_from_the_rest() -> None:
    models, data = parts("models/"), parts("data/")
    assert len({models, data, parts("models/", "data/"), parts("no such")}) == 4
    assert parts("models/") == models


def test_the_code_of_a_module_that_is_not_there_is_nothing() -> None:
    assert code_of("nonesuch_either") == "" == code_of("sys")
    assert len(code_of("json.decoder")) == 64 and code_of("json.decoder") == code_of("json")
    assert code_of("json") != code_of("csv")


def test_parts_can_be_left_out_and_kept_after_all() -> None:
    whole, without = sources(), sources(("teacher",))
    assert len(whole) == 64 and whole == sources()
    assert len({whole, without, sources(("teacher",), ("teacher/gateway",))}) == 3
    assert sources(("teacher",), ("teacher",)) == whole
