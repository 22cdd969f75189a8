"""What a teacher says of itself, and nothing that would give it away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from fedsa.messages.checks import MAX_OUTPUTS, MessageError
from fedsa.messages.terms import Terms

_Name = Annotated[str, Field(min_length=1, max_length=128)]
_Size = Annotated[int, Field(ge=1, le=65_536)]


@dataclass(frozen=True)
class Card:
    """The answer to *describe yourself*.

    Parameters
    ----------
    id : str
        The teacher's name in the federation.
    task : str
        Kind of task: ``classification``, ``multi-label``, ``regression`` or ``segmentation``.
    outputs : int
        Width of its answers.
    classes : tuple[str, ...] | None
        Names of the classes, or of the other outputs, where the institution tells them.
    shape : tuple[int, ...]
        Shape of one item as its model takes it; other images are resized to it.
    architecture : str
        Family name, or ``undisclosed``.
    gradients : bool
        Whether its backend has input gradients.
    methods : tuple[str, ...]
        Saliency methods that it answers, sorted.
    grid, bits : int
        The finest maps that may leave, or be compared.
    fingerprint : str
        sha256 over weights and configuration: a changed teacher shows.
    licence : str
        Licence under which its answers may be used.
    terms : Terms | None
        The policy in force for whoever asks; None where nothing is metered (a simulation whose
        teachers have no policy).
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    task: _Name
    outputs: Annotated[int, Field(ge=1, le=MAX_OUTPUTS)]
    classes: tuple[_Name, ...] | None
    shape: Annotated[tuple[_Size, ...], Field(min_length=1, max_length=5)]
    architecture: _Name
    gradients: bool
    methods: Annotated[tuple[_Name, ...], Field(max_length=64)]
    grid: Annotated[int, Field(ge=1, le=32)]
    bits: Annotated[int, Field(ge=1, le=8)]
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    licence: Annotated[str, Field(max_length=256)] = "unspecified"
    terms: Terms | None = None

    @property
    def answers(self) -> str:
        """What its answers are: one of :data:`fedsa.messages.checks.KINDS`."""
        return "distributions" if self.task == "classification" else "values"

    def to_json(self) -> str:
        """Return the card as one line of JSON."""
        return _ADAPTER.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Card:
        """Read and validate a card.

        Raises
        ------
        MessageError
            If it is not a card.
        """
        try:
            card = _ADAPTER.validate_json(text)
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"])) or "as a whole"
            raise MessageError(f"A teacher's card is not valid ({where}).") from None
        if card.classes is not None and len(card.classes) != card.outputs:
            raise MessageError("A teacher's card names more or fewer classes than it has outputs.")
        return card


_ADAPTER = TypeAdapter(Card)
