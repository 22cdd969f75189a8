"""What all messages share: the account of their bytes, and a check of the maps they carry."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from fedsa.messages.answers import CompactAnswers
from fedsa.messages.card import Card
from fedsa.messages.checks import MAX_CELLS, MAX_ITEMS, MessageError
from fedsa.saliency.compact import CompactMaps

OVERHEAD = 64
"""Bytes charged for a message's kind and the names of its fields, whatever they are."""


class Wired:
    """Base of every message."""

    @property
    def payload_bytes(self) -> int:
        """Bytes of the message in its compact form, as a run accounts for them.

        The sum over the fields of: array bytes, with maps packed to their bits; 8 a number; one
        a character of UTF-8 text; and a fixed ``OVERHEAD``. It depends on the message alone, not
        on the transport, so that runs can be compared.
        """
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return OVERHEAD + sum(_size(getattr(self, field.name)) for field in fields)


def _size(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, np.ndarray | CompactAnswers | CompactMaps):
        return int(value.nbytes)
    if isinstance(value, Card):
        return len(value.to_json().encode())
    if isinstance(value, tuple):
        return sum(map(_size, value))
    return len(value.encode()) if isinstance(value, str) else 8


def check_maps(maps: Any) -> None:
    """Refuse what cannot be compact maps.

    Raises
    ------
    MessageError
        If the type or the shape does not fit.
    """
    if not isinstance(maps, CompactMaps):
        raise MessageError("The message's maps are not compact maps.")
    values = maps.values  # their own constructor has checked type and range
    if not (1 <= values.shape[0] <= MAX_ITEMS and 1 <= values.shape[1] <= MAX_CELLS):
        raise MessageError(f"The message's maps are not 1 to {MAX_ITEMS} maps of few cells.")
