"""Labels in a file: written blank, filled in, read back, and refused where they do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedsa.data.label_file import read, write
from fedsa.errors import DataError

INPUTS = np.arange(40, dtype=np.float32).reshape(20, 2)
CLASSES = ("cat", "dog")


def test_what_was_written_and_filled_in_is_read_back_sorted(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    write(path, np.array([7, 3, 12]), np.array([0.5, 0.2, 0.3]), INPUTS, ["a.png", "b", "c"])
    assert path.read_text().splitlines()[1].startswith("7,") and ",a.png\n" in path.read_text()
    blank = read(path, INPUTS, CLASSES)
    assert blank.items.tolist() == [3, 7, 12] and blank.labels.tolist() == [-1, -1, -1]
    filled = path.read_text().replace("0.500000,", "0.500000,dog")
    path.write_text(filled.replace("0.200000,", "0.200000,cat"))
    found = read(path, INPUTS, CLASSES)
    assert found.labels.tolist() == [0, 1, -1]
    assert found.masses is not None and found.masses.tolist() == pytest.approx([0.2, 0.5, 0.3])


def test_items_and_classes_alone_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("item,class\n4,dog\n2,cat\n")
    found = read(path, INPUTS, CLASSES)
    assert (found.items.tolist(), found.labels.tolist(), found.masses) == ([2, 4], [0, 1], None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no items"),
        ("number\n3\n", "header with 'item'"),
        ("item\nthree\n", "line 2: item: 'three' is not a number"),
        ("item\n20\n", "no item 20 among 20"),
        ("item\n1.5\n", "no item 1.5"),
        ("item\n3\n3\n", "line 3: the item 3 stands there twice"),
        ("item,class\n3,bird\n", "'bird' is not a class"),
        ("item,key\n3,00ff00ff00ff00ff\n", "another one than the file was made for"),
        ("item,mass\n3,0.5\n4,\n", "every item a mass"),
        ("item,mass\n3,-1\n4,2\n", "every item a mass"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        read(path, INPUTS, CLASSES)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv' cannot be read"):
        read(tmp_path / "none.csv", INPUTS, CLASSES)
