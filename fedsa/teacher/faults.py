"""Why a question got no answer, in words that give nothing away.

Whatever goes wrong inside an institution leaves it as one of these codes with its fixed sentence:
never as the text of an exception, which may hold paths, shapes or values.
"""

from __future__ import annotations

from fedsa.messages import Failure
from fedsa.messages.failures import SENTENCES

__all__ = ["SENTENCES", "Fault", "failure"]


class Fault(Exception):
    """A question that will not be answered, by code; raised and caught inside the wing only."""

    def __init__(self, code: str) -> None:
        if code not in SENTENCES:
            raise ValueError(f"no such code: {code}")
        self.code = code
        super().__init__(code)


def failure(code: str) -> Failure:
    """Return the reply for a code."""
    return Failure(code, SENTENCES[code])
