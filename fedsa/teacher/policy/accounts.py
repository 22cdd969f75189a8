"""The ledger as a person reads it: what each coordinator has spent of a teacher, and has left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fedsa.policy import PolicySection
from fedsa.teacher.card_file import CardFile
from fedsa.teacher.policy.office import Office
from fedsa.teacher.policy.windows import Window, label


class Account(NamedTuple):
    """One line of the ledger.

    Parameters
    ----------
    teacher, coordinator, call : str
        Whose.
    window : str
        The present window, as in ``2026-02``, or ``ever``.
    spent : int
        Items spent in it.
    left : int | None
        Items left in it; None if no file says how many there are.
    """

    teacher: str
    coordinator: str
    call: str
    window: str
    spent: int
    left: int | None


def accounts(office: Office, files: Sequence[CardFile] = ()) -> list[Account]:
    """Return a line for each account, sorted; unspent ones too where a policy names whose.

    Raises
    ------
    Fault
        ``storage`` if the ledger cannot be read.
    """
    policies = {file.id: file.policy or PolicySection() for file in files}
    ever = office.spent()
    owners = {(one.teacher, one.coordinator, one.call) for one in ever}
    for name, policy in policies.items():
        named = [one for one in policy.coordinators if one != "*"]
        owners |= {(name, coordinator, call) for coordinator in named for call in policy.calls}
    sums = {window: office.spent(window) for window in {"ever", *_windows(policies.values())}}
    found = []
    for teacher, coordinator, call in sorted(owners):
        budget = policies[teacher].budget if teacher in policies else None
        window: Window = "ever" if budget is None else budget.window
        present = label(window, office.today())
        spent = sum(
            one.spent
            for one in sums[window]
            if (one.teacher, one.coordinator, one.call) == (teacher, coordinator, call)
            and one.window == present
        )
        left = None
        if budget is not None:
            limit = getattr(budget, call) if call in policies[teacher].calls else 0
            left = max(0, limit - spent)
        found.append(Account(teacher, coordinator, call, present, spent, left))
    return found


def _windows(policies: Iterable[PolicySection]) -> set[Window]:
    return {policy.budget.window for policy in policies}
