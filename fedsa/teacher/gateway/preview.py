"""A teacher's card as one coordinator will see it, before anything is served."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fedsa.messages import Card
from fedsa.policy import PolicySection
from fedsa.teacher.policy.guard import ANYONE, Guard
from fedsa.teacher.policy.office import LEDGER, opened
from fedsa.teacher.teacher import Teacher


def card_of(file: Path, state: Path, caller: str | None = None) -> Card:
    """Return the card that a gateway with these records shows.

    Parameters
    ----------
    file : Path
        The teacher's file.
    state : Path
        Folder of the records; where there are none, nothing is spent yet and none are made.
    caller : str | None
        The coordinator that looks; by default the first that the policy lists.

    Raises
    ------
    TeacherFileError
        If the file, its model or the records cannot be used.
    """
    teacher = Teacher.load(file)
    policy = teacher.file.policy or PolicySection()
    named = [name for name in policy.coordinators if name != ANYONE]
    caller = caller or next(iter(named), "local")
    with tempfile.TemporaryDirectory() as empty:
        records = state if (state / LEDGER).is_file() else Path(empty) / "state"
        with opened(records) as office:
            return Guard(teacher, policy, office).card_for(caller)
