"""One training loop for every method, so that budgets and optimisers are the same for all."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fedsa.fusion.narrow import narrow
from fedsa.options import StudentOptions
from fedsa.seeding import torch_generator

WARM_UP = 60
FLOOR = 0.02
EMA, YOUNG = 0.99, 10
"""What a step leaves of the moving average: (1 + n) / (YOUNG + n) after n steps, EMA at most."""


def train(
    module: nn.Module,
    loss: Callable[[nn.Module, Tensor, int], Tensor],
    items: Tensor,
    steps: int,
    options: StudentOptions,
    seed: int,
    *purpose: str | int,
    rate: float = 1.0,
) -> tuple[nn.Module, float]:
    """Train ``module`` with AdamW, warm-up and cosine decay; return its moving average.

    Parameters
    ----------
    module : nn.Module
        Trained in place.
    loss : Callable[[nn.Module, Tensor, int], Tensor]
        From the module, a batch of item indices and the step number to a scalar in nats.
    items : Tensor
        ``(n,)`` indices to draw batches from, each epoch in a fresh order.
    steps : int
        Optimiser steps.
    options : StudentOptions
        Batch size, learning rate, weight decay, and how wide the network's numbers are.
    seed, purpose
        Name the stream of batches (see :mod:`fedsa.seeding`).
    rate : float
        Factor on the learning rate.

    Returns
    -------
    tuple[nn.Module, float]
        The exponential moving average of the module, in eval mode, and the mean loss of the
        last tenth of the steps, in nats.
    """
    generator = torch_generator(seed, *purpose)
    if any(parameter.ndim == 4 for parameter in module.parameters()):
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a quarter faster
    learning_rate = options.learning_rate * rate
    optimiser = torch.optim.AdamW(
        module.parameters(), lr=learning_rate, weight_decay=options.weight_decay, foreach=True
    )
    warm_up = min(WARM_UP, max(1, steps // 5))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: _rate(step, steps, warm_up)
    )
    average = AveragedModel(module, multi_avg_fn=_remember, use_buffers=True)
    module.train()
    order, tail = items.new_empty(0), []
    for step in range(steps):
        while len(order) < options.batch:
            fresh = items[torch.randperm(len(items), generator=generator)]
            order = torch.cat([order, fresh])
        batch, order = order[: options.batch], order[options.batch :]
        with narrow(module, options.autocast):
            value = loss(module, batch, step)
        optimiser.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        average.update_parameters(module)
        if step >= steps - max(1, steps // 10):
            tail.append(float(value.detach()))
    module.eval()
    averaged = average.module if steps else module
    averaged.eval()
    return averaged, sum(tail) / len(tail) if tail else math.nan


@torch.no_grad()
def outputs(module: nn.Module, inputs: Tensor, batch: int = 512) -> Tensor:
    """Return the module's outputs on all inputs, batch by batch, without gradients."""
    return torch.cat([module(part) for part in torch.split(inputs, batch)])


def _remember(average: Any, current: Any, seen: Tensor | int) -> None:
    """Move the average on by a step, in place; its memory grows with what it has seen.

    With a memory of one length some per cent of the start are left after a few hundred steps. That
    hardly shows in the weights, but the running variances of batch norm start at one, which may be
    many times what they come to.
    """
    decay = min(EMA, (1.0 + int(seen)) / (YOUNG + int(seen)))
    get_ema_multi_avg_fn(decay)(average, current, seen)  # type: ignore[no-untyped-call]


def _rate(step: int, steps: int, warm_up: int) -> float:
    if step < warm_up:
        return (step + 1) / warm_up
    share = (step - warm_up) / max(1, steps - warm_up)
    return FLOOR + (1.0 - FLOOR) * 0.5 * (1.0 + math.cos(math.pi * share))
