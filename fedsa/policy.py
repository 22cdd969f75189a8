"""The ``[policy]`` of a teacher's TOML file; what it does not open stays shut."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Call = Literal["predict", "saliency", "score"]
_Items = Annotated[int, Field(ge=0, le=10**12)]
_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=True,
    )


class BudgetSection(_Section):
    """Items that one coordinator may ask about in one window, by call; 0 is none at all."""

    predict: _Items = 0
    saliency: _Items = 0
    score: _Items = 0
    window: Literal["day", "week", "month", "ever"] = "ever"
    """Calendar windows in UTC; a week begins on Monday."""


class AnswersSection(_Section):
    """The form in which a distribution leaves."""

    temperature: Annotated[float, Field(ge=1.0, le=100.0)] = 1.0
    """The logits are divided by it before the softmax: higher tells less of the margins."""
    top_k: Annotated[int, Field(ge=0)] = 0
    """Classes whose probabilities are told, the rest being shared out evenly; 0 tells all."""
    bits: Annotated[int, Field(ge=1, le=8)] = 8
    """Bits of a probability, on the square-root scale. Finer than 8 bits never leaves."""


class NoiseSection(_Section):
    """Gaussian noise on what leaves: distributions, and maps before they are compared."""

    sigma: Annotated[float, Field(ge=0.0, le=1e6)] = 0.0
    """Standard deviation, for rows of Euclidean length at most one; 0 adds none."""
    delta: Annotated[float, Field(gt=0.0, lt=1.0)] = 1e-5


class PolicySection(_Section):
    """Everything that an institution decides about its teacher's answers; deny by default."""

    calls: tuple[Call, ...] = ()
    """Calls that are open. The card may always be asked for."""
    coordinators: tuple[Annotated[str, Field(min_length=1, max_length=128)], ...] = ()
    """Who may ask: the common names of client certificates; on a unix socket, ``local``;
    ``*`` is anyone who can connect."""
    begins: date | None = None
    ends: date | None = None
    """First and last day on which questions are answered, in UTC."""
    sets: tuple[_Hash, ...] = ()
    """Transfer sets that are approved, by content hash, beside those approved by hand."""
    any_set: bool = False
    """Whether every transfer set is approved unseen."""
    hold_unapproved: bool = False
    """Whether a set that is not approved yet is taken, so that the institution can look at it."""
    budget: BudgetSection = BudgetSection()
    answers: AnswersSection = AnswersSection()
    noise: NoiseSection = NoiseSection()
