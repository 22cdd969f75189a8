"""Speed as ratios, measured side by side in one run; ``fedsa bench`` prints them."""

from fedsa.bench.fusion import fusion
from fedsa.bench.gateway import gateway
from fedsa.bench.rounds import simulation
from fedsa.bench.steps import student

__all__ = ["fusion", "gateway", "simulation", "student"]
