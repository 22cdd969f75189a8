"""Attribution maps: where a network looks, their compact form, and how close two looks are."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from fedsa.errors import DataError
from fedsa.registry import Registry

if TYPE_CHECKING:  # a process that only forwards questions knows the maps' form, and no network
    from torch import Tensor, nn

METHODS = Registry(
    "saliency",
    {
        "occlusion": "fedsa.saliency.perturbation:occlusion",
        "rise": "fedsa.saliency.perturbation:rise",
        "grad-cam": "fedsa.saliency.gradcam:grad_cam",
        "gradient-x-input": "fedsa.saliency.gradient:gradient_x_input",
        "smooth-grad": "fedsa.saliency.gradient:smooth_grad",
        "integrated-gradients": "fedsa.saliency.gradient:integrated_gradients",
    },
    ("model", "inputs"),
)

QUERY_ONLY = frozenset({"occlusion", "rise"})
"""Built-in methods that need answers only, no gradient: any callable will do as their model."""

__all__ = ["METHODS", "QUERY_ONLY", "maps"]


def maps(method: str, model: nn.Module, inputs: Tensor, seed: int = 0) -> Tensor:
    """Return where ``model`` looks on ``inputs``, by a method's name, checked.

    Parameters
    ----------
    method : str
        A name that :data:`METHODS` knows.
    model : nn.Module
        Maps ``(n, *shape)`` to logits ``(n, outputs)``.
    inputs : Tensor
        ``(n, *shape)`` float32.
    seed : int
        For methods that draw (they have a parameter of that name). Two networks can only be
        compared under the same seed.

    Returns
    -------
    Tensor
        ``(n, *spatial)`` float32, finite, not negative.

    Raises
    ------
    PluginError
        If the method is unknown or does not load.
    DataError
        If the method gives maps of the wrong shape, or values that are negative or not finite.
    """
    import torch

    function = METHODS.get(method)
    draws = "seed" in inspect.signature(function).parameters
    found = function(model, inputs, seed=seed) if draws else function(model, inputs)
    spatial = inputs.shape[2:] if inputs.ndim > 2 else inputs.shape[1:]
    if not isinstance(found, torch.Tensor) or found.shape != (len(inputs), *spatial):
        shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise DataError(
            f"The saliency method '{method}' gave {shape} where maps of shape "
            f"{(len(inputs), *spatial)} are needed: return one map an item, channels summed."
        )
    if not bool(torch.isfinite(found).all()) or bool((found < 0).any()):
        raise DataError(
            f"The saliency method '{method}' gave values that are negative or not finite: "
            "check that the network answers with finite logits."
        )
    return found.to(torch.float32)
