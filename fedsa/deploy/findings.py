"""What is wrong with a federation, from what its nodes said of themselves."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from fedsa import __version__
from fedsa.messages import Card
from fedsa.messages.failures import SENTENCES, sentence_of
from fedsa.scenario import Scenario

CLOCK = 5.0
"""Seconds that a clock may differ beyond what the message's way leaves uncertain."""

_NOT_TAKEN = "It did not take the transfer set"
_NOT_APPROVED = (
    "It does not answer about this scenario's transfer set: have the set's hash approved."
)
_OFFERED = {
    "not-approved": _NOT_APPROVED,
    "refused": _NOT_APPROVED,
    "room": f"{_NOT_TAKEN}: have its institution make room in the folder of its sets.",
}
_SHUT = "All calls are shut to you (by its calls, its coordinators or its dates)."
_SHUT_BY = ("coordinator", "closed")
_TAKEN = ("held", "more")


@dataclass(frozen=True)
class Seen:
    """One node, as it answered.

    Parameters
    ----------
    node : int
        Flower's number of it.
    name : str
        As it was registered, if it has a name.
    code : str
        Why it did not answer; empty if it did.
    sentence : str
        The same in words.
    cards : tuple[Card, ...]
        Its teachers'.
    software : str
        What answered, as in ``fedsa 0.1.0``.
    clock : float
        Seconds by which its clock is ahead of the coordinator's, as far as that can be told.
    uncertain : float
        Seconds by which the clock's difference may be wrong.
    offered : tuple[tuple[str, str], ...]
        For each teacher, whether the scenario's transfer set would be answered about: ``held``,
        ``more`` (it would be taken) or the code of a refusal. An institution that takes sets
        before it approves them says the first two of any set.
    """

    node: int
    name: str = ""
    code: str = ""
    sentence: str = ""
    cards: tuple[Card, ...] = ()
    software: str = ""
    clock: float = 0.0
    uncertain: float = 0.0
    offered: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """What to call it."""
        return self.name or f"node {self.node}"

    def document(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and whose matter it is.

    Parameters
    ----------
    who : str
        A node, a teacher, or ``federation``.
    sentence : str
        What, and what to do.
    grave : bool
        Whether that node or teacher cannot take part at all because of it.
    """

    who: str
    sentence: str
    grave: bool = True


def problems(seen: list[Seen], scenario: Scenario | None) -> list[Problem]:
    """Return all that is wrong, the federation's troubles first.

    Parameters
    ----------
    seen : list[Seen]
        Every node that is connected.
    scenario : Scenario | None
        What is to be run, if that is known.
    """
    found: list[Problem] = []
    if not seen:
        sentence = (
            "No node is connected: are their SuperNodes started, with keys that are registered?"
        )
        return [Problem("federation", sentence)]
    ids = Counter(card.id for node in seen for card in node.cards)
    for twice in sorted(name for name, count in ids.items() if count > 1):
        owners = ", ".join(n.label for n in seen if any(card.id == twice for card in n.cards))
        sentence = f"Several nodes have a teacher of this id ({owners}): have one renamed."
        found.append(Problem(twice, sentence))
    for node in seen:
        found += _of_node(node)
        for card in node.cards:
            offered = dict(node.offered).get(card.id, "")
            if card.terms is not None and not card.terms.limits:
                why = f" {sentence_of(offered)}" if offered in _SHUT_BY else ""
                found.append(Problem(card.id, _SHUT + why))
            elif scenario is not None:
                found += _of_teacher(card, offered, scenario)
    if scenario is not None:
        found += _of_approval(seen)
        here = sum(count for count in ids.values())
        if scenario.selection.k > here:
            sentence = f"The scenario selects {scenario.selection.k} teachers, and {here} are here."
            found.append(Problem("federation", sentence, grave=False))
    return found


def _of_node(node: Seen) -> list[Problem]:
    if node.code:
        return [Problem(node.label, node.sentence)]
    found = []
    if not node.cards:
        found.append(Problem(node.label, "It has no teacher."))
    if node.software and node.software != f"fedsa {__version__}":
        sentence = f"It runs {node.software}, and the coordinator fedsa {__version__}."
        found.append(Problem(node.label, sentence, grave=False))
    if abs(node.clock) > node.uncertain + CLOCK:
        sentence = (
            f"Its clock is about {abs(node.clock):.0f} s {'ahead' if node.clock > 0 else 'behind'}:"
            " certificates and windows of budgets go by it."
        )
        found.append(Problem(node.label, sentence, grave=False))
    return found


def needs(scenario: Scenario, cost: int = 1) -> dict[str, int]:
    """Return what a teacher that is always selected is charged, in items, by call.

    Parameters
    ----------
    scenario : Scenario
        What is to be run.
    cost : int
        Items that a map is charged as; one that was paid for counts as one item from then on.
    """
    saliency, rounds = scenario.saliency, -(-scenario.rounds // scenario.selection.every)
    looked = {"score": 0, "saliency": saliency.shown * cost}
    looked["score" if saliency.mode == "score" else "saliency"] += saliency.probe_items * (
        cost + rounds - 1
    )
    return {"predict": scenario.task.items, **looked}


def _of_approval(seen: list[Seen]) -> list[Problem]:
    """Return what can be said of teachers that take the set: not that they have approved it."""
    taking = [
        card.id
        for node in seen
        for card in node.cards
        if dict(node.offered).get(card.id) in _TAKEN
        and card.terms is not None
        and card.terms.limits
        and card.terms.sets != "any"
    ]
    if not taking:
        return []
    sentence = (
        f"It would be taken, or is held, by {', '.join(sorted(taking))}; whether it is approved "
        "there cannot be seen from here."
    )
    return [Problem("transfer set", sentence, grave=False)]


def _of_teacher(card: Card, offered: str, scenario: Scenario) -> list[Problem]:
    found = []
    if offered not in ("", *_TAKEN):
        known = sentence_of(offered) if offered in SENTENCES else f"{_NOT_TAKEN} ({offered})."
        found.append(Problem(card.id, _OFFERED.get(offered, known)))
    method, looks = scenario.saliency.method, scenario.saliency
    if method not in card.methods:
        sentence = f"It does not answer the saliency method '{method}': it is judged without looks."
        found.append(Problem(card.id, sentence, grave=False))
    if looks.grid > card.grid or looks.bits > card.bits:
        sentence = (
            f"Maps of {looks.grid} x {looks.grid} cells and {looks.bits} bits are finer than it "
            f"lets out ({card.grid} x {card.grid}, {card.bits}): it is judged without looks."
        )
        found.append(Problem(card.id, sentence, grave=False))
    if card.terms is None:
        return found
    cost, looked = card.terms.cost(method), "score" if looks.mode == "score" else "saliency"
    for call, wanted in needs(scenario, cost).items():
        left = card.terms.left(call)
        if wanted and not left:
            grave = call == "predict"
            sentence = f"It answers no question of the kind '{call}' (any more)."
            found.append(Problem(card.id, sentence, grave=grave))
        elif call == looked and left < looks.probe_items * cost:
            sentence = (
                f"Its budget for '{call}' is {left} items, and the first look is charged as "
                f"{looks.probe_items * cost}: it is judged without looks."
            )
            found.append(Problem(card.id, sentence, grave=False))
        elif left < wanted:
            sentence = f"Its budget for '{call}' is {left} items, and up to {wanted} are wanted."
            found.append(Problem(card.id, sentence, grave=False))
    return found
