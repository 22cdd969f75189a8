"""Who is heard, and about what: one teacher, its policy, and the records of its institution."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

from fedsa.messages import Card, Cost, Limit, Offer, Offered, Predict, Saliency, Score, Terms
from fedsa.policy import PolicySection
from fedsa.saliency import QUERY_ONLY
from fedsa.saliency.perturbation import passes
from fedsa.teacher.faults import Fault
from fedsa.teacher.policy import accountant
from fedsa.teacher.policy.approvals import Waiting
from fedsa.teacher.policy.chain import canonical
from fedsa.teacher.policy.hearing import Hearing
from fedsa.teacher.policy.mechanism import Form
from fedsa.teacher.policy.office import Office, question
from fedsa.teacher.policy.till import Till
from fedsa.teacher.policy.unmetered import OpenHearing
from fedsa.teacher.sets import SetStore
from fedsa.teacher.teacher import Teacher

ANYONE = "*"


class Guard:
    """A teacher as its institution lets others ask it.

    Parameters
    ----------
    teacher : Teacher
        Who answers.
    policy : PolicySection | None
        Under what; None answers everything to everybody and records nothing.
    office : Office | None
        Where it is recorded; needed with a policy.

    Raises
    ------
    TeacherFileError
        If the policy asks for noise and its accountant is not installed.
    """

    def __init__(
        self, teacher: Teacher, policy: PolicySection | None = None, office: Office | None = None
    ) -> None:
        if policy is not None and office is None:
            raise ValueError("a policy needs an office")
        self.teacher = teacher
        self.policy = policy
        self.office = office
        if policy is not None:
            self._epsilon = self._account(policy)

    @cached_property
    def card(self) -> Card:
        """The teacher's card without terms; a policy that shapes answers makes another teacher."""
        card = self.teacher.card
        if self.policy is None:
            return card
        shaped = canonical({"teacher": card.fingerprint, **Form.of(self.policy).document()})
        fingerprint = hashlib.sha256(shaped.encode()).hexdigest()
        return dataclasses.replace(card, fingerprint=fingerprint)

    def card_for(self, caller: str) -> Card:
        """Return the card with the terms for ``caller`` and what is left to it now.

        Raises
        ------
        Fault
            ``storage`` if the ledger cannot be read.
        """
        if self.policy is None:
            return self.card
        return dataclasses.replace(self.card, terms=self._terms(caller, self.policy))

    def offer(self, request: Offer, sets: SetStore, caller: str) -> Offered:
        """Take a transfer set or a part of it, if the policy takes it; it is recorded if not.

        Raises
        ------
        Fault
            ``refused`` if no call is open, ``coordinator``, ``closed``, ``not-approved`` (then the
            set is noted as waiting), ``room`` or ``storage``.
        """
        policy, office = self.policy, self.office
        if policy is None or office is None:
            return sets.receive(request)
        try:
            return self._offer(request, sets, caller, policy, office)
        except Fault as fault:
            record = {"teacher": request.teacher, "set": request.set_hash, "outcome": fault.code}
            office.refused("offer", caller=caller, **record)
            raise

    @contextmanager
    def hear(
        self, request: Predict | Saliency | Score, caller: str, cancelled: Callable[[], bool]
    ) -> Iterator[Hearing | OpenHearing]:
        """Hear one question; it is recorded how it ended, before the answer can leave.

        Raises
        ------
        Fault
            ``refused`` if the call is shut, ``coordinator``, ``closed``, ``not-approved``, or
            ``storage`` if it cannot be recorded.
        """
        policy, office = self.policy, self.office
        if policy is None or office is None:
            yield OpenHearing(self.teacher, cancelled)
            return
        hearing = self._hearing(request, caller, cancelled, policy, office)
        outcome = "internal"
        try:
            if _call(request) not in policy.calls:
                raise Fault("refused")
            self._admit(caller, policy, office)
            if not self._approved(request.set_hash, policy, office):
                raise Fault("not-approved")
            yield hearing
            outcome = "answered"
        except Fault as fault:
            outcome = fault.code
            raise
        finally:
            hearing.close(request, outcome)

    def _offer(
        self,
        request: Offer,
        sets: SetStore,
        caller: str,
        policy: PolicySection,
        office: Office,
    ) -> Offered:
        if not policy.calls:
            raise Fault("refused")
        self._admit(caller, policy, office)
        if not self._approved(request.set_hash, policy, office):
            shape = "x".join(map(str, request.shape))
            office.approvals.note(
                Waiting(
                    request.set_hash, caller, request.teacher, request.dtype, shape, office.clock()
                )
            )
            if not policy.hold_unapproved:
                raise Fault("not-approved")
        try:
            reply = sets.receive(request)
        except OSError as error:
            raise Fault("storage") from error
        if reply.status == "held" and request.chunk is not None:
            office.record(
                "held", caller=caller, set=request.set_hash, shape=list(map(int, request.shape))
            )
        return reply

    def _hearing(
        self,
        request: Predict | Saliency | Score,
        caller: str,
        cancelled: Callable[[], bool],
        policy: PolicySection,
        office: Office,
    ) -> Hearing:
        call = _call(request)
        record = {
            "caller": caller,
            "teacher": request.teacher,
            "call": call,
            "set": request.set_hash,
            "question": question(),
        }
        limit = getattr(policy.budget, call)
        till = Till(office, limit, policy.budget.window, cancelled, record)
        cost = 1 if isinstance(request, Predict) else self._cost(request.method)
        form, print_ = Form.of(policy), self.card.fingerprint
        return Hearing(self.teacher, form, till, office.key, print_, cost)

    def _admit(self, caller: str, policy: PolicySection, office: Office) -> None:
        if not _knows(policy, caller):
            raise Fault("coordinator")
        if not _open(policy, office):
            raise Fault("closed")

    @staticmethod
    def _approved(set_hash: str, policy: PolicySection, office: Office) -> bool:
        return policy.any_set or set_hash in policy.sets or office.approved(set_hash)

    def _terms(self, caller: str, policy: PolicySection) -> Terms:
        office = self.office
        assert office is not None
        calls = policy.calls if _knows(policy, caller) and _open(policy, office) else ()
        budget, answers, noise = policy.budget, policy.answers, policy.noise
        limits = []
        for call in sorted(set(calls)):
            items, now = getattr(budget, call), office.clock()
            left = office.ledger.left(caller, self.card.id, call, items, budget.window, now)
            limits.append(Limit(call, items, left))
        return Terms(
            limits=tuple(limits),
            window=budget.window,
            temperature=answers.temperature,
            top_k=answers.top_k,
            bits=answers.bits,
            sets="any" if policy.any_set else "approved",
            sigma=noise.sigma,
            epsilon=self._epsilon,
            delta=noise.delta if noise.sigma else 0.0,
            costs=tuple(
                Cost(method, cost)
                for method in self.teacher.card.methods
                if (cost := self._cost(method)) > 1
            ),
        )

    def _cost(self, method: str) -> int:
        shape = self.teacher.card.shape
        if method not in QUERY_ONLY:
            return 1
        return passes(method, shape[1:] if len(shape) > 1 else shape)

    def _account(self, policy: PolicySection) -> float:
        """Return epsilon for all that the limits allow to one coordinator in one window."""
        budget = policy.budget
        cheapest = min(map(self._cost, self.teacher.card.methods), default=1)
        maps = sum(getattr(budget, c) for c in ("saliency", "score") if c in policy.calls)
        answers = budget.predict if "predict" in policy.calls else 0
        noise = policy.noise
        return accountant.epsilon(noise.sigma, answers + maps // cheapest, noise.delta)


def _call(request: Predict | Saliency | Score) -> str:
    return type(request).__name__.lower()


def _knows(policy: PolicySection, caller: str) -> bool:
    return ANYONE in policy.coordinators or caller in policy.coordinators


def _open(policy: PolicySection, office: Office) -> bool:
    today = office.today()
    begun = policy.begins is None or policy.begins <= today
    return begun and (policy.ends is None or today <= policy.ends)
