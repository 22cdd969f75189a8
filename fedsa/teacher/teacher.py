"""A private model that answers: the one object behind simulation and gateway alike."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fedsa import saliency
from fedsa.messages import Card
from fedsa.saliency.compact import CompactMaps, compact
from fedsa.task import Classification
from fedsa.teacher import backend as backends
from fedsa.teacher.backend import BATCH, Backend
from fedsa.teacher.card_file import CardFile, read
from fedsa.teacher.faults import Fault
from fedsa.teacher.preprocessing import Scale, Scaled, fit

_KEPT = 4  # sets of compact maps, a few kilobytes each
_SEED = 0  # of methods that draw masks or noise: looks compare only under one seed


class Teacher:
    """A loaded teacher; use :meth:`load`.

    Parameters
    ----------
    file : CardFile
        What the institution says of it.
    backend : Backend
        Its model.
    """

    def __init__(self, file: CardFile, backend: Backend) -> None:
        self.file = file
        self.backend = backend
        self._shape = tuple(file.input.shape)
        self._scale = Scale.of(file.input)
        names = file.classes
        if isinstance(names, int):
            names = tuple(map(str, range(names)))
        self._task = Classification(names)
        self._kept: dict[tuple[object, ...], CompactMaps] = {}

    @classmethod
    def load(cls, path: Path | str) -> Teacher:
        """Load the teacher that a TOML file describes.

        Raises
        ------
        TeacherFileError
            If the file or its model cannot be used; the sentence is for the institution only.
        """
        file = read(Path(path))
        return cls(file, backends.load(file))

    @cached_property
    def card(self) -> Card:
        """What may be known of this teacher outside."""
        gradients = backends.has_gradients(self.backend, self._shape)
        known = saliency.METHODS.builtins if gradients else saliency.QUERY_ONLY
        file = self.file
        return Card(
            id=file.id,
            task=self._task.kind,
            outputs=file.outputs,
            classes=None if isinstance(file.classes, int) else file.classes,
            shape=self._shape,
            architecture=file.architecture,
            gradients=gradients,
            methods=tuple(sorted(file.saliency.methods or known)),
            grid=file.saliency.grid,
            bits=file.saliency.bits,
            fingerprint=self._fingerprint(),
            licence=file.licence,
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the model's parameters and buffers; 0 where it shows none."""
        module = self.backend.module
        if module is None:
            return 0
        return sum(tensor.nbytes for tensor in [*module.parameters(), *module.buffers()])

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Answer a transfer set's items.

        Parameters
        ----------
        inputs : np.ndarray
            ``(n, *any)`` uint8 or float32.

        Returns
        -------
        np.ndarray
            ``(n, outputs)`` float32 rows on the simplex.

        Raises
        ------
        Fault
            ``shape`` if the items cannot be brought to the model's input, ``model`` if the model
            raises or answers with the wrong shape or with numbers that are not finite.
        """
        # In float64, so that rows of thousands of classes still sum to one in float32.
        raw = torch.from_numpy(self.logits(inputs)).to(torch.float64)
        answers: np.ndarray = self._task.answer(raw).float().numpy()
        return answers

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """Return what the model gives before :meth:`predict` makes answers of it.

        For what runs behind the institution's door only, such as a temperature.

        Parameters
        ----------
        inputs : np.ndarray
            ``(n, *any)`` uint8 or float32.

        Returns
        -------
        np.ndarray
            ``(n, outputs)`` float32, finite.

        Raises
        ------
        Fault
            As :meth:`predict`.
        """
        return np.concatenate([self._raw(self._fit(part)).numpy() for part in _batches(inputs)])

    def saliency(self, inputs: np.ndarray, method: str) -> Tensor:
        """Return where the model looks, ``(n, *spatial)`` float32 at its own input size.

        The method sees the model behind its scaling, so that "no light" is the same for all
        teachers, whatever their normalisation.

        Raises
        ------
        Fault
            As :meth:`predict`; ``method`` if this teacher does not answer that method.
        """
        return torch.cat([self._maps(part, method) for part in _batches(inputs)])

    def compact_maps(self, inputs: np.ndarray, method: str, grid: int, bits: int) -> CompactMaps:
        """Return :meth:`saliency` in its compact form, without ever holding all raw maps.

        The last few are kept: a selection that is renewed each round asks about the same probe
        items again, and a perturbation map costs as much as fifty answers.
        """
        key = (hashlib.sha256(inputs.tobytes()).digest(), inputs.shape, method, grid, bits)
        if key not in self._kept:
            parts = [compact(self._maps(part, method), grid, bits) for part in _batches(inputs)]
            self._kept[key] = CompactMaps(np.concatenate([part.values for part in parts]), bits)
            while len(self._kept) > _KEPT:
                self._kept.pop(next(iter(self._kept)))
        return self._kept[key]

    def _fit(self, part: np.ndarray) -> Tensor:
        return fit(part, self._shape)

    def _raw(self, inputs: Tensor) -> Tensor:
        try:
            raw = self.backend.forward(self._scale(inputs))
            fits = raw.shape == (len(inputs), self.file.outputs) and bool(raw.isfinite().all())
        except Exception as error:  # a model is anybody's code
            raise Fault("model") from error
        if not fits:
            raise Fault("model")
        return raw.float()

    def _maps(self, part: np.ndarray, method: str) -> Tensor:
        if method not in self.card.methods:
            raise Fault("method")
        inputs = self._fit(part)
        try:
            module = self.backend.module
            model = Scaled(self._scale, module if module is not None else _Asked(self.backend))
            return saliency.maps(method, model.eval(), inputs, seed=_SEED)
        except Exception as error:  # as above, and a method may be a plug-in
            raise Fault("model") from error

    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        document = self.file.model_dump(mode="json", exclude={"model"})
        document["factory"] = self.file.model.factory
        digest.update(json.dumps(document, sort_keys=True).encode())
        for path in self.backend.files:
            with path.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
        return digest.hexdigest()


class _Asked(torch.nn.Module):
    """A backend without a module, as what methods without gradients call."""

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self._backend = backend

    def forward(self, inputs: Tensor) -> Tensor:
        return self._backend.forward(inputs)


def _batches(inputs: np.ndarray) -> list[np.ndarray]:
    return [inputs[start : start + BATCH] for start in range(0, len(inputs), BATCH)]
