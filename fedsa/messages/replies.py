"""What a teacher may answer, and whether an answer fits its question."""

from __future__ import annotations

from dataclasses import dataclass

from fedsa.messages.answers import CompactAnswers
from fedsa.messages.card import Card
from fedsa.messages.checks import (
    MessageError,
    check_choice,
    check_code,
    check_real,
    check_sentence,
    check_whole,
)
from fedsa.messages.requests import Describe, Offer, Predict, Request, Saliency, Score
from fedsa.messages.wire import Wired, check_maps
from fedsa.saliency.compact import CompactMaps

MAX_CARDS = 4096


@dataclass(frozen=True)
class Described(Wired):
    """The cards of a node's teachers.

    Parameters
    ----------
    cards : tuple[Card, ...]
        One a teacher.
    software : str
        Name and version of what answers, as in ``fedsa 0.1.0``.
    clock : float
        Its time, in seconds since 1970 (UTC).
    """

    cards: tuple[Card, ...]
    software: str = ""
    clock: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.cards, tuple) or len(self.cards) > MAX_CARDS:
            raise MessageError(f"The message's cards are not a list of at most {MAX_CARDS}.")
        ids = [card.id for card in self.cards]
        if len(set(ids)) != len(ids):
            raise MessageError("The message holds two cards of one teacher.")
        check_sentence("software", self.software, 64)
        check_real("clock", self.clock, 0.0, 2.0**40)


@dataclass(frozen=True)
class Offered(Wired):
    """What the institution says to an offer.

    Parameters
    ----------
    status : str
        ``held``: it has the whole set; ``more``: go on from item ``held``; ``refused``: it will
        not take this set, or what came did not have the hash that was named.
    held : int
        Items held without a gap from the first on.
    """

    status: str
    held: int

    def __post_init__(self) -> None:
        check_choice("status", self.status, ("held", "more", "refused"))
        check_whole("held", self.held, 0, 2**31 - 1)


@dataclass(frozen=True, eq=False)
class Predicted(Wired):
    """Answers on the items asked, in the order asked."""

    answers: CompactAnswers

    def __post_init__(self) -> None:
        if not isinstance(self.answers, CompactAnswers):
            raise MessageError("The message's answers are not compact answers.")


@dataclass(frozen=True, eq=False)
class Salient(Wired):
    """Compact maps of the items asked, in the order asked."""

    maps: CompactMaps

    def __post_init__(self) -> None:
        check_maps(self.maps)


@dataclass(frozen=True)
class Scored(Wired):
    """Mean cosine in [-1, 1] of the teacher's centred maps and the student's."""

    closeness: float

    def __post_init__(self) -> None:
        check_real("closeness", self.closeness, -1.0, 1.0)


@dataclass(frozen=True)
class Failure(Wired):
    """Why there is no answer: a code, and a sentence that depends on the code alone."""

    code: str
    sentence: str

    def __post_init__(self) -> None:
        check_code(self.code)
        check_sentence("sentence", self.sentence, 300)


Reply = Described | Offered | Predicted | Salient | Scored | Failure


def check_reply(
    request: Request, reply: Reply, outputs: int | None = None, kind: str | None = None
) -> None:
    """Refuse a reply that does not fit its question.

    Parameters
    ----------
    request, reply : Request, Reply
        A question and what came back for it; a :class:`Failure` fits every question.
    outputs, kind : int, str | None
        Width and kind of the answers by the teacher's card, if known.

    Raises
    ------
    MessageError
        Naming what differs.
    """
    if isinstance(reply, Failure):
        return
    match request, reply:
        case (Describe(), Described()) | (Score(), Scored()):
            pass
        case Offer(), Offered():
            if reply.held > request.shape[0]:
                raise MessageError("The reply claims to hold more items than the set has.")
        case Predict(), Predicted():
            if len(reply.answers) != len(request.indices) or reply.answers.form != request.form:
                raise MessageError("The reply has other items, or another form, than was asked.")
            if outputs is not None and reply.answers.values.shape[1] != outputs:
                raise MessageError("The reply has more or fewer classes than the teacher's card.")
            if kind is not None and reply.answers.kind != kind:
                raise MessageError("The reply has answers of another kind than the teacher's card.")
        case Saliency(), Salient():
            if len(reply.maps.values) != len(request.indices) or reply.maps.bits != request.bits:
                raise MessageError("The reply has other maps, or other bits, than was asked.")
            if reply.maps.values.shape[1] > request.grid**2:
                raise MessageError("The reply's maps are finer than was asked.")
        case _:
            raise MessageError(f"The reply to a {type(request).__name__} is of another kind.")
