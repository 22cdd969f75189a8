"""Distributions over classes, or values from 0 to 1, in one or two bytes a number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsa.messages.checks import (
    FORMS,
    KINDS,
    MAX_ITEMS,
    MAX_OUTPUTS,
    MAX_REPLY_BYTES,
    MessageError,
    check_choice,
)

_TOLERANCE = 1e-3  # of a sum of probabilities that arrive in float32


@dataclass(frozen=True, eq=False)
class CompactAnswers:
    """A teacher's answers as they travel.

    ``uint8`` stores ``round(255 sqrt(p))``: on the square-root scale the step at p is about
    ``2 sqrt(p) / 255``, so that small probabilities, which carry what distillation is after,
    keep their digits. ``float16`` stores p itself.

    Parameters
    ----------
    values : np.ndarray
        ``(n, C)``, uint8 or float16.
    kind : str
        ``distributions`` over C classes, or C ``values`` from 0 to 1, each of its own.

    Raises
    ------
    MessageError
        If the rows cannot stem from such answers: wrong type or shape, NaN, negative, a mass
        further from one than rounding explains, or a value above one.
    """

    values: np.ndarray
    kind: str = "distributions"

    def __post_init__(self) -> None:
        check_choice("answers' kind", self.kind, KINDS)
        values = self.values
        if not isinstance(values, np.ndarray) or values.dtype.name not in FORMS:
            raise MessageError(f"The answers are not an array of {' or '.join(FORMS)}.")
        if values.ndim != 2 or not (1 <= len(values) <= MAX_ITEMS):
            raise MessageError(f"The answers are not a table of 1 to {MAX_ITEMS} items by classes.")
        least = 1 if self.kind == "values" else 2
        if not least <= values.shape[1] <= MAX_OUTPUTS or values.nbytes > MAX_REPLY_BYTES:
            raise MessageError("The answers have fewer than two classes, or too many.")
        masses = _plain(values)
        # Not (a <= b) rather than a > b, since NaN must fail too.
        if not (np.all(masses >= 0) and np.all(np.isfinite(masses))):
            raise MessageError("The answers hold a number that is no probability.")
        if self.kind == "values":
            if not masses.max() <= 1.0:
                raise MessageError("The answers hold a value that does not lie from 0 to 1.")
            return
        excess = np.abs(masses.sum(axis=1, dtype=np.float64) - 1.0).max()
        if not excess <= mass_error(values.dtype.name, values.shape[1]):
            raise MessageError("The answers hold a row that is no distribution over the classes.")

    @classmethod
    def encode(
        cls, probabilities: np.ndarray, form: str = "uint8", kind: str = "distributions"
    ) -> CompactAnswers:
        """Encode float ``(n, C)`` rows on the simplex, or of values from 0 to 1.

        Raises
        ------
        MessageError
            If a row is not of its kind, or there is no such form.
        """
        rows = np.asarray(probabilities, dtype=np.float32)
        if form not in FORMS:
            raise MessageError(f"There is no answer form '{form}': use {' or '.join(FORMS)}.")
        check_choice("answers' kind", kind, KINDS)
        if rows.ndim != 2 or not np.all(rows >= 0) or not np.all(np.isfinite(rows)):
            raise MessageError("Answers to encode must be rows of finite, non-negative numbers.")
        if kind == "values" and not np.all(rows <= 1.0):
            raise MessageError("Values to encode must lie from 0 to 1.")
        if kind != "values" and not np.all(
            np.abs(rows.sum(axis=1, dtype=np.float64) - 1.0) <= _TOLERANCE
        ):
            raise MessageError("Answers to encode must be rows that sum to one.")
        if form == "float16":
            return cls(rows.astype(np.float16), kind)
        return cls(np.rint(255.0 * np.sqrt(np.minimum(rows, 1.0))).astype(np.uint8), kind)

    @property
    def form(self) -> str:
        """``uint8`` or ``float16``."""
        return str(self.values.dtype.name)

    @property
    def nbytes(self) -> int:
        """Bytes on the wire."""
        return int(self.values.nbytes)

    def __len__(self) -> int:
        return len(self.values)

    def dense(self) -> np.ndarray:
        """Return float32 ``(n, C)`` rows; distributions are renormalised to sum to one."""
        masses = _plain(self.values)
        if self.kind == "values":
            return masses
        return np.asarray(masses / masses.sum(axis=1, keepdims=True), dtype=np.float32)


def most_items(outputs: int, form: str) -> int:
    """Return how many items a question may name for the answers to fit into one message."""
    return min(MAX_ITEMS, MAX_REPLY_BYTES // (outputs * np.dtype(form).itemsize))


def mass_error(form: str, outputs: int) -> float:
    """Return how far from one the mass of a decoded row may be, by rounding alone.

    For ``uint8``, sqrt(p) is off by at most 1/510, so a row's mass by at most
    ``sum_c (sqrt(p_c)/255 + 1/510^2) <= sqrt(C)/255 + C/510^2`` (Cauchy-Schwarz); for
    ``float16``, by 2^-11 relative and 2^-25 absolute below the smallest normal number.
    """
    if form == "uint8":
        return float(outputs**0.5 / 255 + outputs / 510**2 + 2 * _TOLERANCE)
    return 2.0**-11 + outputs * 2.0**-25 + 2 * _TOLERANCE


def _plain(values: np.ndarray) -> np.ndarray:
    """Decode without renormalising, float32."""
    plain = values.astype(np.float32)
    return (plain / 255.0) ** 2 if values.dtype == np.uint8 else plain
