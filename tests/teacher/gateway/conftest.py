"""Real gateways, most of them in this process, on sockets whose paths are short enough."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save_file

from fedsa.data.transfer import content_hash
from fedsa.messages import Offered, offers
from fedsa.teacher.gateway.client import Client
from fedsa.teacher.gateway.server import Gateway
from fedsa.teacher.gateway.target import Target
from tests.teacher.faulty_models import Linear

Make = Callable[..., Path]
OPEN: dict[str, Any] = {
    "calls": ["predict", "saliency", "score"],
    "coordinators": ["*"],
    "any-set": True,
}
BUDGET = {"predict": 100_000, "saliency": 100_000, "score": 100_000}
POLICY = OPEN | {"budget": BUDGET}
SLOW = "tests.teacher.gateway.slow_models"


@pytest.fixture
def short() -> Iterator[Path]:
    """Return a folder for sockets: pytest's own paths can be longer than a socket's may be."""
    with tempfile.TemporaryDirectory(prefix="fedsa-") as folder:
        yield Path(folder)


@pytest.fixture
def gateway(short: Path, tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Return a maker of started gateways, whose models are loaded; all are stopped at the end."""
    started: list[Gateway] = []

    def make(*files: Path, address: str = "", ready: bool = True, **options: Any) -> Gateway:
        state = options.pop("state", tmp_path / "state")
        one = Gateway(files, address or f"unix://{short}/{len(started)}.sock", state, **options)
        started.append(one)
        one.start()
        if ready:
            assert one.settled.wait(60)
            assert one.fault is None
        return one

    yield make
    for one in started:
        one.stop(0.0)


@pytest.fixture
def make_slow(make_teacher: Make) -> Callable[..., Path]:
    """Return a maker of teachers whose factory is one of :mod:`slow_models`."""

    def make(factory: str, policy: dict[str, Any] | None = None) -> Path:
        path = make_teacher(policy=policy or POLICY)
        save_file(Linear((1, 12, 12), 3).state_dict(), path.parent / "weights.safetensors")
        path.write_text(path.read_text().replace('"conv"', f'"{SLOW}:{factory}"'))
        return path

    return make


def offer(client: Client, teacher: str, items: np.ndarray) -> str:
    """Bring a set to a teacher; return its hash."""
    name = content_hash(items)
    found = [client.ask(one, 20) for one in offers(teacher, name, items)]
    assert found[-1] == Offered("held", len(items)), found[-1]
    return name


def client_of(gateway: Gateway, **options: Any) -> Client:
    return Client(Target(gateway.address), **options)
