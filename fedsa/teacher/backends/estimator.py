"""A scikit-learn estimator from a ``.skops`` file, which holds data and types but no code."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedsa.errors import TeacherFileError
from fedsa.teacher.backends import package
from fedsa.teacher.backends.probabilities import to_logits
from fedsa.teacher.card_file import CardFile


class EstimatorBackend:
    """A classifier with ``predict_proba``, asked with items flattened to vectors.

    Parameters
    ----------
    estimator : Any
        Fitted.
    places : np.ndarray
        ``(k,)`` for each of its columns, which of the card's classes it is.
    outputs : int
        Number of the card's classes; those without a column get no probability.
    files : tuple[Path, ...]
        What it was loaded from.
    """

    module = None
    device = torch.device("cpu")

    def __init__(
        self, estimator: Any, places: np.ndarray, outputs: int, files: tuple[Path, ...]
    ) -> None:
        self._estimator = estimator
        self._places = places
        self._outputs = outputs
        self.files = files

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logarithms of probabilities; see :class:`~fedsa.teacher.backends.Backend`."""
        found = np.zeros((len(inputs), self._outputs))
        found[:, self._places] = self._estimator.predict_proba(inputs.flatten(1).numpy())
        return torch.from_numpy(to_logits(found))


def load(card: CardFile, device: torch.device) -> EstimatorBackend:
    """Load the estimator that a card file names.

    Raises
    ------
    TeacherFileError
        If the file is damaged, holds types that are not trusted, or no classifier of the card's
        classes.
    """
    file = card.model.estimator
    assert file is not None
    estimator = _read(file, card.model.trusted)
    if not hasattr(estimator, "predict_proba") or not hasattr(estimator, "classes_"):
        raise TeacherFileError(
            f"'{file.name}' holds a {type(estimator).__name__} that gives no probabilities "
            "(predict_proba): fit it so that it does, or wrap it in a CalibratedClassifierCV."
        )
    places = _places(np.asarray(estimator.classes_), card)
    return EstimatorBackend(estimator, places, card.outputs, (file,))


def _read(file: Path, trusted: tuple[str, ...]) -> Any:
    skops = package("skops.io", "estimator")
    content = file.read_bytes()  # once, so that what is looked through is what is loaded
    try:
        strange = sorted(set(skops.get_untrusted_types(data=content)) - set(trusted))
        if strange:
            raise TeacherFileError(
                f"'{file.name}' holds types that skops does not trust by itself: "
                f"{', '.join(strange)}; if you know each of them, list them in model.trusted."
            )
        return skops.loads(content, trusted=list(trusted))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise TeacherFileError(f"'{file.name}' is not a whole .skops file: {error}.") from None


def _places(labels: np.ndarray, card: CardFile) -> np.ndarray:
    """Return which of the card's classes each of the estimator's columns is.

    By name if the labels are names on the card; else by number if they are whole numbers from 0;
    else in their own order, if there are as many.
    """
    given = labels.tolist()
    names = card.classes if isinstance(card.classes, tuple) else ()
    if names and set(given) <= set(names):
        return np.array([names.index(label) for label in given])
    if labels.dtype.kind in "iu" and min(given) >= 0 and max(given) < card.outputs:
        return labels.astype(np.int64)
    if len(given) == card.outputs and not (names and labels.dtype.kind == "U"):
        return np.arange(card.outputs)
    raise TeacherFileError(
        f"the estimator's classes_ are {given[:6]}{' ...' if len(given) > 6 else ''}, which are "
        f"neither names of the file's classes nor whole numbers under {card.outputs}."
    )
