"""What a gateway was started with, noted beside its records: a file that is changed counts later.

A gateway reads its teachers' files when it starts. Whoever shuts a call in such a file while the
gateway goes on answering has to be told so, and can be by this note alone.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fedsa.policy import PolicySection
from fedsa.teacher.card_file import CardFile

FOLDER = "in-force"
"""In the folder of the records; holds a file a teacher."""


class InForce(NamedTuple):
    """What decides of one teacher's answers since a gateway was started.

    Parameters
    ----------
    file : str
        The teacher's file, as it was then.
    terms : Mapping[str, Any]
        What stood in it of the policy and of maps.
    """

    file: str
    terms: Mapping[str, Any]

    def lets(self, set_hash: str) -> str:
        """Return the key of the policy that approves a set whatever was approved by hand, or ''."""
        policy = self.terms["policy"]
        if policy.get("any-set"):
            return "any-set"
        return "sets" if set_hash in policy.get("sets", ()) else ""


def note(state: Path, served: Mapping[Path, CardFile]) -> None:
    """Note what teachers are served with; where that cannot be, an older note is taken away."""
    for path, file in served.items():
        place = state / FOLDER / f"{file.id}.json"
        aside = place.with_name(f".{file.id}.{os.getpid()}")
        content = json.dumps({"file": str(path.resolve()), "terms": _terms(file)})
        try:
            place.parent.mkdir(mode=0o700, exist_ok=True)
            with os.fdopen(
                os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w"
            ) as out:
                out.write(content)
            aside.replace(place)
        except OSError:
            for gone in (aside, place):
                with contextlib.suppress(OSError):
                    gone.unlink()


def noted(state: Path) -> dict[str, InForce]:
    """Return what is in force by the teachers' ids, as far as that is noted."""
    found = {}
    for path in sorted((state / FOLDER).glob("[!.]*.json")):
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            known = json.loads(path.read_text("utf-8"))
            dict(known["terms"]["policy"])  # else it is no such note
            found[path.stem] = InForce(str(known["file"]), known["terms"])
    return found


def is_other(state: Path, file: CardFile) -> bool:
    """Say whether a gateway was last started with another policy for the teacher of a file."""
    known = noted(state).get(file.id)
    return known is not None and known.terms != _terms(file)


def _terms(file: CardFile) -> dict[str, Any]:
    policy = file.policy or PolicySection()
    return {
        "policy": policy.model_dump(mode="json", by_alias=True),
        "saliency": file.saliency.model_dump(mode="json", by_alias=True),
    }
