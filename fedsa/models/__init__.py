"""Networks by name: each factory maps ``(shape, outputs)`` to a module giving raw outputs."""

from __future__ import annotations

import torch
from torch import nn

from fedsa.errors import PluginError
from fedsa.registry import Registry

MODELS = Registry(
    "model",
    {
        "conv": "fedsa.models.conv:conv",
        "conv-wide": "fedsa.models.conv:conv_wide",
        "conv-grid": "fedsa.models.conv:conv_grid",
        "resnet8": "fedsa.models.resnet:resnet8",
        "resnet14": "fedsa.models.resnet:resnet14",
        "resnet20": "fedsa.models.resnet:resnet20",
        "mlp": "fedsa.models.mlp:mlp",
        "mobile": "fedsa.models.mobile:mobile",
        "mixer": "fedsa.models.mixer:mixer",
    },
    ("shape", "outputs"),
)


def build(name: str, shape: tuple[int, ...], outputs: int, seed: int) -> nn.Module:
    """Make a fresh network without disturbing the global random generator.

    Parameters
    ----------
    name : str
        Model name or ``module:factory``.
    shape : tuple[int, ...]
        Shape of one item; the network maps float32 ``(n, *shape)`` to ``(n, outputs)``.
    outputs : int
        Width of the raw output.
    seed : int
        Same seed, same weights.

    Raises
    ------
    PluginError
        If there is no such model, it cannot take this shape, or it is not a module.
    """
    factory = MODELS.get(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model = factory(tuple(shape), outputs)
        except Exception as error:  # a factory may be anybody's code
            raise PluginError(
                f"The model '{name}' cannot be built for items of shape {tuple(shape)} and "
                f"{outputs} outputs: {error}."
            ) from error
    if not isinstance(model, nn.Module):
        raise PluginError(
            f"The model '{name}' made a {type(model).__name__}; a factory must return a "
            "torch.nn.Module."
        )
    model.fedsa_network = True  # type: ignore[assignment]  # told apart from what is put around it
    return model


def is_network(module: nn.Module) -> bool:
    """Return whether :func:`build` made this very module."""
    return hasattr(module, "fedsa_network")
