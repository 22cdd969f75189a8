"""A private model that answers: the one object behind simulation and gateway alike."""

from __future__ import annotations

import hashlib
import inspect
import json
import threading
from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fedsa import saliency
from fedsa.messages import Card
from fedsa.saliency.batches import Answering
from fedsa.saliency.compact import CompactMaps, compact
from fedsa.task import Classification, MultiLabel, Regression, Segmentation, Task
from fedsa.teacher import backends
from fedsa.teacher.backends import Backend
from fedsa.teacher.batching import Batcher
from fedsa.teacher.card_file import CardFile, read
from fedsa.teacher.faults import Fault
from fedsa.teacher.memory import Portions
from fedsa.teacher.model_section import FILES
from fedsa.teacher.preprocessing import Scale, Scaled, check, fit
from fedsa.teacher.promises import never

LOOK = 256
"""Items whose maps are made in one go; a method may draw the same noise for all of them."""

_TASKS = {
    "classification": Classification,
    "multi-label": MultiLabel,
    "regression": Regression,
    "segmentation": Segmentation,
}
_KEPT = 4  # sets of compact maps, a few kilobytes each
_SEED = 0  # of methods that draw masks or noise: looks compare only under one seed
# Captum's methods draw from PyTorch's one generator, so those of two teachers take turns.
_DRAWING = threading.Lock()


class Teacher:
    """A loaded teacher; use :meth:`load`. Any number of threads may ask it at once.

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
        self._scale = Scale.of(file.input, backend.device)
        names = file.classes
        if isinstance(names, int):
            names = tuple(map(str, range(names)))
        self.task: Task = _TASKS[file.task](names)
        self._gradients = backends.has_gradients(backend, self._shape)
        compute = file.compute
        self._batcher = Batcher(
            self._forward,
            compute.batch,
            compute.wait_ms / 1000,
            compute.concurrency,
            compute.threads,
        )
        self._looks = Portions(LOOK)
        self._kept: dict[tuple[object, ...], CompactMaps] = {}
        self._lock = threading.Lock()

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
        file = self.file
        methods = set(file.saliency.methods or saliency.METHODS.builtins)
        if not self._gradients or not self.task.distributions:
            methods -= saliency.METHODS.builtins.keys() - saliency.QUERY_ONLY
        return Card(
            id=file.id,
            task=self.task.kind,
            outputs=file.outputs,
            classes=None if isinstance(file.classes, int) else file.classes,
            shape=self._shape,
            architecture=file.architecture,
            gradients=self._gradients,
            methods=tuple(sorted(methods)),
            grid=file.saliency.grid,
            bits=file.saliency.bits,
            fingerprint=self._fingerprint(),
            licence=file.licence,
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the model's parameters and buffers, or of its files where it shows none."""
        module = self.backend.module
        if module is None:
            return sum(file.stat().st_size for file in self.backend.files if file.exists())
        return sum(tensor.nbytes for tensor in [*module.parameters(), *module.buffers()])

    @property
    def batch(self) -> int:
        """Items of one forward pass at most, as memory has it."""
        return self._batcher.batch

    def predict(self, inputs: np.ndarray, cancelled: Callable[[], bool] = never) -> np.ndarray:
        """Answer a transfer set's items.

        Parameters
        ----------
        inputs : np.ndarray
            ``(n, *any)`` uint8 or float32.
        cancelled : Callable[[], bool]
            Whether the caller has withdrawn; looked at before each forward pass, in any thread.

        Returns
        -------
        np.ndarray
            ``(n, outputs)`` float32 rows on the simplex, or values in [0, 1].

        Raises
        ------
        Fault
            ``shape`` if the items cannot be brought to the model's input, ``model`` if the model
            raises or answers with the wrong shape or with numbers that are not finite,
            ``cancelled``.
        """
        # In float64, so that rows of thousands of classes still sum to one in float32.
        raw = torch.from_numpy(self.logits(inputs, cancelled)).to(torch.float64)
        answers: np.ndarray = self.task.answer(raw).float().numpy()
        return answers

    def logits(self, inputs: np.ndarray, cancelled: Callable[[], bool] = never) -> np.ndarray:
        """Return what the model gives before :meth:`predict` makes answers of it.

        For what runs behind the institution's door only, such as a temperature.

        Parameters
        ----------
        inputs, cancelled
            As for :meth:`predict`.

        Returns
        -------
        np.ndarray
            ``(n, outputs)`` float32, finite.

        Raises
        ------
        Fault
            As :meth:`predict`.
        """
        check(tuple(inputs.shape[1:]), self._shape)
        found = np.empty((len(inputs), self.file.outputs), np.float32)
        batch = self.file.compute.batch
        with self._batcher.caller():
            for start in range(0, len(inputs), batch):
                part = inputs[start : start + batch]
                found[start : start + batch] = self._raw(part, cancelled)
        return found

    def saliency(
        self, inputs: np.ndarray, method: str, cancelled: Callable[[], bool] = never
    ) -> Tensor:
        """Return where the model looks, ``(n, *spatial)`` float32 at its own input size.

        The method sees the model behind its scaling, so that "no light" is the same for all
        teachers, whatever their normalisation.

        Raises
        ------
        Fault
            As :meth:`predict`; ``method`` if this teacher does not answer that method.
        """
        return torch.cat([self._maps(part, method, cancelled) for part in _parts(inputs)])

    def compact_maps(
        self,
        inputs: np.ndarray,
        method: str,
        grid: int,
        bits: int,
        cancelled: Callable[[], bool] = never,
    ) -> CompactMaps:
        """Return :meth:`saliency` in its compact form, without ever holding all raw maps.

        The last few are kept: a selection that is renewed each round asks about the same probe
        items again, and a perturbation map costs as much as fifty answers.
        """
        key = (hashlib.sha256(inputs.tobytes()).digest(), inputs.shape, method, grid, bits)
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None:
            return kept
        parts = [
            compact(self._maps(part, method, cancelled), grid, bits).values
            for part in _parts(inputs)
        ]
        found = CompactMaps(np.concatenate(parts), bits)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > _KEPT:
                self._kept.pop(next(iter(self._kept)))
        return found

    def _forward(self, inputs: Tensor) -> Tensor:
        """Do one pass on scaled inputs; raise ValueError if it gives the wrong shape."""
        raw = self.backend.forward(inputs)
        if raw.shape != (len(inputs), self.file.outputs):
            raise ValueError(f"the model gives {tuple(raw.shape)} for {len(inputs)} items")
        return raw.float()

    def _raw(self, part: np.ndarray, cancelled: Callable[[], bool]) -> np.ndarray:
        def load(start: int, stop: int) -> Tensor:
            return self._scale(fit(part[start:stop], self._shape, self.backend.device))

        try:
            raw = self._batcher.ask(load, len(part), cancelled).cpu().numpy()
            finite = bool(np.isfinite(raw).all())
        except Fault:
            raise
        except BaseException as error:  # a model is anybody's code
            raise Fault("model") from error
        if not finite:
            raise Fault("model")
        return raw

    def _maps(self, part: np.ndarray, method: str, cancelled: Callable[[], bool]) -> Tensor:
        if method not in self.card.methods:
            raise Fault("method")
        check(tuple(part.shape[1:]), self._shape)
        module = None if method in saliency.QUERY_ONLY else self.backend.module
        inner = _Asked(self._batcher, cancelled) if module is None else module
        model: torch.nn.Module = Scaled(self._scale, inner)
        if not self.task.distributions:
            model = Answering(model, self.task.answer)

        def one(start: int, stop: int) -> Tensor:
            inputs = fit(part[start:stop], self._shape, self.backend.device)
            with _DRAWING if module is not None and _draws(method) else nullcontext():
                return saliency.maps(method, model.eval(), inputs, seed=_SEED).cpu()

        try:
            # Alone with the module, since methods hang hooks and gradients on it.
            parts = self._batcher.run(
                lambda: self._looks.run(one, len(part)), cancelled, alone=module is not None
            )
            return torch.cat(parts)
        except Fault:
            raise
        except BaseException as error:  # as above, and a method may be a plug-in
            raise Fault("model") from error

    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        # How a model runs is not what it is, nor is where its files lie; what a policy does to
        # answers is for its guard to add.
        document = self.file.model_dump(
            mode="json", exclude={"model": set(FILES), "compute": True, "policy": True}
        )
        digest.update(json.dumps(document, sort_keys=True).encode())
        for path in self.backend.files:
            with path.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
        return digest.hexdigest()


class _Asked(torch.nn.Module):
    """A model of which only answers are used, in passes that others may come between."""

    def __init__(self, batcher: Batcher, cancelled: Callable[[], bool]) -> None:
        super().__init__()
        self._batcher = batcher
        self._cancelled = cancelled

    def forward(self, inputs: Tensor) -> Tensor:
        return self._batcher.step(inputs, self._cancelled)


def _draws(method: str) -> bool:
    return "seed" in inspect.signature(saliency.METHODS.get(method)).parameters


def _parts(inputs: np.ndarray) -> list[np.ndarray]:
    return [inputs[start : start + LOOK] for start in range(0, max(1, len(inputs)), LOOK)]
