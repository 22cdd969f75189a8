"""Grad-CAM (Selvaraju et al. 2017): ReLU(sum_k a_k A_k), a_k = mean over pixels of dy_c/dA_k.

The layer is the network's last convolution, found by one rule: of the 2-D convolutions that a
forward pass calls, the last one with a kernel wider than one pixel (the one-pixel kernels of
residual shortcuts may run later, but see nothing of a neighbourhood); if all are one pixel wide,
the last one. A network without a convolution has no spatial features, so its map is
gradient x input at the input.
"""

from __future__ import annotations

import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn
from torch.nn import functional as F

from fedsa.saliency.batches import attribute, settle
from fedsa.saliency.gradient import gradient_x_input


def grad_cam(model: nn.Module, inputs: Tensor) -> Tensor:
    """Return the class activation map of the own class, at the input's size, ``(n, H, W)``."""
    layer = last_convolution(model, inputs[:1]) if inputs.ndim == 4 and len(inputs) else None
    if layer is None:
        return gradient_x_input(model, inputs)
    method = LayerGradCam(model, layer)

    def function(x: Tensor, own: Tensor) -> Tensor:
        found = method.attribute(x, target=own, relu_attributions=True)
        if not isinstance(found, Tensor):
            raise TypeError("Grad-CAM needs a layer with one output.")
        return F.interpolate(found, size=x.shape[2:], mode="bilinear", align_corners=False)

    return attribute(model, inputs, function)


def last_convolution(model: nn.Module, example: Tensor) -> nn.Module | None:
    """Return the layer by the module's rule, or None; ``example`` is a batch of one item."""
    settle(model)
    called: list[nn.Conv2d] = []
    hooks = [
        module.register_forward_hook(lambda layer, _inputs, _output: called.append(layer))
        for module in model.modules()
        if isinstance(module, nn.Conv2d)
    ]
    try:
        with torch.no_grad():
            model(example)
    finally:
        for hook in hooks:
            hook.remove()
    wide = [layer for layer in called if max(layer.kernel_size) > 1]
    chosen = wide or called
    return chosen[-1] if chosen else None
