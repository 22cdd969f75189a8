"""Narrower numbers for the networks of a student while it is trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fedsa.models import is_network


@contextmanager
def narrow(module: nn.Module, autocast: str) -> Iterator[None]:
    """Let the networks in a module compute in narrower numbers for as long as this lasts.

    Only what :func:`fedsa.models.build` made does, and it hands out float32: prototypes, heads and
    losses, which are quickly computed and need their digits, see no difference. Parameters stay
    float32, and so do the module's outputs once it is trained, which nothing is left in.

    Parameters
    ----------
    module : nn.Module
        What is trained.
    autocast : str
        ``off``, or the name of a type that ``torch.autocast`` knows on the module's device.
    """
    with ExitStack() as during:
        if autocast != "off":
            for network in (part for part in module.modules() if is_network(part)):
                _hook(network, getattr(torch, autocast), during)
        yield


def _hook(network: nn.Module, dtype: torch.dtype, during: ExitStack) -> None:
    under_way: list[Any] = []
    device = next((parameter.device.type for parameter in network.parameters()), "cpu")

    def before(_: nn.Module, __: Any) -> None:
        under_way.append(torch.autocast(device, dtype))
        under_way[-1].__enter__()

    def after(_: nn.Module, __: Any, found: Tensor) -> Tensor:
        under_way.pop().__exit__(None, None, None)
        return found if found is None else found.float()  # None where the forward pass failed

    during.callback(network.register_forward_pre_hook(before).remove)
    during.callback(network.register_forward_hook(after, always_call=True).remove)
