"""A selector's choice, before anything is built on it."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

from fedsa.errors import RunError
from fedsa.selection.base import Selection

TOLERANCE = 1e-6


def checked(selection: Selection, teachers: Collection[str]) -> Selection:
    """Refuse weights that no fusion can use; a user's own selector may return anything.

    Parameters
    ----------
    selection : Selection
        What the selector returned.
    teachers : Collection[str]
        Ids of the teachers in reach.

    Returns
    -------
    Selection
        The same with plain numbers, as a checkpoint keeps them.

    Raises
    ------
    RunError
        If the weights are not finite, not non-negative, do not sum to one, or name a teacher
        that is not in reach.
    """
    try:
        weights = {str(name): float(weight) for name, weight in selection.weights.items()}
        total = sum(weights.values())
        good = all(weight >= 0 for weight in weights.values()) and abs(total - 1.0) <= TOLERANCE
        good = good and math.isfinite(total)
        plain = replace(
            selection,
            weights=weights,
            scores={name: float(score) for name, score in selection.scores.items()},
            evidence={
                name: {layer: float(value) for layer, value in layers.items()}
                for name, layers in selection.evidence.items()
            },
            reasons={name: str(reason) for name, reason in selection.reasons.items()},
        )
    except (AttributeError, TypeError, ValueError):
        raise RunError(
            "The selector returned no Selection of plain numbers: give weights, scores and "
            "evidence as numbers by teacher (see fedsa.selection.base)."
        ) from None
    if not good:
        raise RunError(
            "The selector's weights are not finite, non-negative numbers that sum to one: "
            f"it returned {weights}."
        )
    if strangers := sorted(set(plain.selected) - set(teachers)):
        raise RunError(
            f"The selector chose '{strangers[0]}', which is not among the teachers in reach: "
            f"it may choose from {', '.join(sorted(teachers))}."
        )
    return plain
