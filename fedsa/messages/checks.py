"""What every message must satisfy, whoever wrote it: types, ranges, sizes, finite numbers."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from fedsa.errors import FedsaError

MAX_ITEMS = 65_536
"""Items that one question may name."""
MAX_OUTPUTS = 65_536
"""Classes that one answer may spread over."""
MAX_CELLS = 32 * 32
"""Cells of one compact map: the finest grid there is."""
MAX_REPLY_BYTES = 256 * 2**20
"""Array bytes that one message may hold."""
MAX_ASKED_BYTES = 2**30
"""Bytes of the items that one question may name."""
MAX_CHUNK_BYTES = 4 * 2**20
"""Bytes of one chunk of a transfer set (or one item, where an item alone is larger)."""
MAX_SET_BYTES = 16 * 2**30
"""Bytes of a whole transfer set."""
MAX_AXES = 6
"""Sizes that the shape of a transfer set may have."""
FORMS = ("uint8", "float16")
"""How a distribution may travel."""
KINDS = ("distributions", "values")
"""What answers are: rows that sum to one, or numbers from 0 to 1, each of its own."""
SET_DTYPES = ("uint8", "float32")
"""What the items of a transfer set may be made of."""

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")
_CODE = re.compile(r"[a-z][a-z-]{0,31}")
_METHOD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


class MessageError(FedsaError):
    """A message does not say what its kind must say; the sender is at fault, not the reader."""

    exit_code = 5


def check_text(name: str, value: Any, pattern: re.Pattern[str], hint: str) -> None:
    """Refuse anything but a string that matches ``pattern`` in full."""
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise MessageError(f"The message's {name} is not {hint}.")


def check_teacher(value: Any) -> None:
    """Refuse what cannot be a teacher's id."""
    check_text("teacher", value, _ID, "a teacher's id (lower-case letters, digits, '.', '_', '-')")


def check_hash(value: Any) -> None:
    """Refuse what cannot be a transfer set's content hash."""
    check_text("set hash", value, _HASH, "64 hexadecimal digits")


def check_code(value: Any) -> None:
    """Refuse what cannot be a failure's code."""
    check_text("code", value, _CODE, "a short word")


def check_method(value: Any) -> None:
    """Refuse what cannot name a saliency method."""
    check_text("method", value, _METHOD, "the name of a saliency method")


def check_sentence(name: str, value: Any, longest: int) -> None:
    """Refuse anything but one printable line of at most ``longest`` characters."""
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise MessageError(f"The message's {name} is not one line of at most {longest} characters.")


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Refuse what is not one of ``choices``."""
    if value not in choices:
        raise MessageError(f"The message's {name} is not one of {', '.join(choices)}.")


def check_whole(name: str, value: Any, low: int, high: int) -> None:
    """Refuse anything but an integer from ``low`` to ``high``, both included."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise MessageError(f"The message's {name} is not a whole number from {low} to {high}.")


def check_real(name: str, value: Any, low: float, high: float) -> None:
    """Refuse anything but a finite number from ``low`` to ``high``, both included."""
    if not isinstance(value, float) or not math.isfinite(value) or not low <= value <= high:
        raise MessageError(f"The message's {name} is not a number from {low:g} to {high:g}.")


def as_indices(value: Any) -> np.ndarray:
    """Return item indices as int32 ``(n,)``, 1 <= n <= ``MAX_ITEMS``, none negative.

    Raises
    ------
    MessageError
        If they are no such thing.
    """
    array = np.asarray(value)
    if array.ndim != 1 or not 1 <= array.size <= MAX_ITEMS or array.dtype.kind not in "iu":
        raise MessageError(f"The message's indices are not a list of 1 to {MAX_ITEMS} integers.")
    if array.min() < 0 or array.max() > np.iinfo(np.int32).max:
        raise MessageError("The message's indices hold a negative or too large number.")
    return np.ascontiguousarray(array, dtype=np.int32)


def check_shape(shape: Any, dtype: str) -> None:
    """Refuse what cannot be the shape of a whole transfer set, ``(n, *item)``."""
    if not isinstance(shape, tuple) or not 2 <= len(shape) <= MAX_AXES:
        raise MessageError("The message's shape is not that of a set of items.")
    for size in shape:
        check_whole("shape", size, 1, 2**31 - 1)
    if math.prod(shape) * np.dtype(dtype).itemsize > MAX_SET_BYTES:
        raise MessageError(f"The message's set is larger than {MAX_SET_BYTES >> 30} GiB.")
