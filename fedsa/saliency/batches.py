"""Running a network over many items in bounded memory, in the mode in which it answers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

CHUNK = 1024
"""Items of one forward pass without gradients."""

GRADIENT_CHUNK = 128
"""Items of one pass with gradients (smooth-grad and integrated gradients multiply them inside)."""


class Answering(nn.Module):
    """A network whose answers are not the softmax of its outputs: values, or several heads.

    Parameters
    ----------
    model : nn.Module
        Maps inputs to raw outputs.
    answer : Callable[[Tensor], Tensor]
        From raw outputs to answers; methods that only ask see how far these move.
    """

    def __init__(self, model: nn.Module, answer: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.model, self.answer = model, answer

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the answers ``(n, outputs)``."""
        return self.answer(self.model(inputs))


def settle(model: Callable[[Tensor], Tensor]) -> None:
    """Put a network into evaluation mode, where it has modes (a plain callable has none)."""
    if isinstance(model, nn.Module) and model.training:
        try:
            model.eval()
        except NotImplementedError:  # an exported program is frozen in the mode of its export
            return


def chunks(inputs: Tensor, size: int) -> list[Tensor]:
    """Cut a batch into parts of at most ``size`` items (one empty part if there are none)."""
    return [inputs[start : start + size] for start in range(0, max(1, len(inputs)), size)]


def probabilities(model: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """Return the model's answers on ``inputs``, ``(n, outputs)``, in chunks.

    These are the softmax of its logits, unless it says itself what they are.
    """
    if isinstance(model, Answering):
        with torch.no_grad():
            return torch.cat([model(chunk).float() for chunk in chunks(inputs, CHUNK)])
    with torch.no_grad():
        parts = [model(chunk).float().softmax(dim=1) for chunk in chunks(inputs, CHUNK)]
    return torch.cat(parts)


def attribute(
    model: nn.Module, inputs: Tensor, function: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Apply ``function(inputs, own classes) -> attributions`` chunk by chunk; channels summed.

    Returns
    -------
    Tensor
        ``(n, *spatial)`` sums of magnitudes over channels (vectors have no channels).
    """
    settle(model)
    parts = []
    for chunk in chunks(inputs, GRADIENT_CHUNK):
        own = probabilities(model, chunk).argmax(dim=1)
        with torch.enable_grad():
            found = function(chunk.detach().clone().requires_grad_(), own).detach()
        parts.append(found.abs().sum(dim=1) if found.ndim > 2 else found.abs())
    return torch.cat(parts)
