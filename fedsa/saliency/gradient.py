"""Attribution by the gradient of the own class's logit with respect to the input (Captum).

Gradient x input (Shrikumar et al. 2016), SmoothGrad (Smilkov et al. 2017) and integrated
gradients (Sundararajan et al. 2017), each as a magnitude summed over channels.
"""

from __future__ import annotations

import torch
from captum.attr import InputXGradient, IntegratedGradients, NoiseTunnel, Saliency
from torch import Tensor, nn

from fedsa.saliency.batches import attribute
from fedsa.seeding import derive


def gradient_x_input(model: nn.Module, inputs: Tensor) -> Tensor:
    """Return |x * dy_c/dx| with c the network's own class, ``(n, *spatial)``."""
    method = InputXGradient(model)
    return attribute(model, inputs, lambda x, own: method.attribute(x, target=own))


def smooth_grad(
    model: nn.Module, inputs: Tensor, seed: int = 0, samples: int = 8, noise: float = 0.15
) -> Tensor:
    """Return the mean of |dy_c/dx| over noisy copies of the input, ``(n, *spatial)``.

    Parameters
    ----------
    samples : int
        Noisy copies of each item.
    noise : float
        Standard deviation of the noise, as a share of the range of values in ``inputs``.
    """
    method = NoiseTunnel(Saliency(model))
    spread = float(inputs.max() - inputs.min()) * noise if inputs.numel() else 0.0

    def function(x: Tensor, own: Tensor) -> Tensor:
        found: Tensor = method.attribute(
            x, nt_type="smoothgrad", nt_samples=samples, stdevs=max(spread, 1e-6), target=own
        )
        return found

    # Captum draws from the global generator: give it ours, and give the caller theirs back.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "saliency", "smooth-grad"))
        return attribute(model, inputs, function)


def integrated_gradients(model: nn.Module, inputs: Tensor, steps: int = 16) -> Tensor:
    """Return |integral of dy_c/dx along the line from zero to x, times x|, ``(n, *spatial)``.

    Parameters
    ----------
    steps : int
        Points of the Gauss-Legendre quadrature.
    """
    method = IntegratedGradients(model)
    return attribute(model, inputs, lambda x, own: method.attribute(x, target=own, n_steps=steps))
