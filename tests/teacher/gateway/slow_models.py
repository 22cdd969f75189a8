"""Model factories that wait until a test lets them go on; named in teacher files."""

from __future__ import annotations

import threading
import time

from torch import Tensor

from tests.teacher.faulty_models import Linear

LOADING = threading.Event()
"""Set to let :class:`Late` be built."""
GATE = threading.Event()
"""Set to let forward passes of :class:`Slow` end."""
STARTED = threading.Event()
"""Set by the first of them."""
PASSES: list[int] = []
"""Items of each forward pass on items that are not blank."""
PAUSE = 0.02


def reset() -> None:
    """Shut everything and forget the passes."""
    for event in (LOADING, GATE, STARTED):
        event.clear()
    PASSES.clear()


class Slow(Linear):
    """Runs at once on blank items, as at loading; on any other it waits for the gate."""

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.any():
            PASSES.append(len(inputs))
            STARTED.set()
            GATE.wait(20)
            time.sleep(PAUSE)
        return super().forward(inputs)


class Late(Linear):
    """Takes its time to be built."""

    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        LOADING.wait(20)
        super().__init__(shape, outputs)


class Napping(Linear):
    """Takes a little time for a forward pass."""

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.any():
            time.sleep(0.15)
        return super().forward(inputs)


class Hanging(Linear):
    """Never comes back, but for blank items."""

    def forward(self, inputs: Tensor) -> Tensor:
        while inputs.any():
            time.sleep(60)
        return super().forward(inputs)
