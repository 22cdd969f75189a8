"""A small MLP-Mixer: no convolution but that of cutting patches (Tolstikhin et al., 2021)."""

from __future__ import annotations

from torch import Tensor, nn

from fedsa.models.shapes import image_shape

PATCH = 4


class Mixing(nn.Module):
    """One layer: across the patches, then across the channels, each beside a shortcut."""

    def __init__(self, patches: int, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.across = _mlp(patches, 2 * patches)
        self.along = _mlp(width, 2 * width)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(n, patches, width)`` to the same shape."""
        mixed: Tensor = inputs + self.across(self.first(inputs).transpose(1, 2)).transpose(1, 2)
        found: Tensor = mixed + self.along(self.second(mixed))
        return found


class Mixer(nn.Module):
    """Patches, layers of mixing, the mean over patches, a linear head."""

    def __init__(self, channels: int, patches: int, outputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.cut = nn.Conv2d(channels, width, PATCH, PATCH)
        self.layers = nn.Sequential(*[Mixing(patches, width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images ``(n, C, H, W)`` to raw outputs; rows that fill no patch are left out."""
        tokens = self.cut(inputs).flatten(2).transpose(1, 2)
        found: Tensor = self.head(self.norm(self.layers(tokens)).mean(dim=1))
        return found


def mixer(shape: tuple[int, ...], outputs: int, width: int = 64, depth: int = 3) -> nn.Module:
    """Patches of 4 x 4 and ``depth`` layers of mixing.

    Parameters
    ----------
    shape : tuple[int, ...]
        ``(C, H, W)`` with H and W at least 8.
    outputs : int
        Width of the raw output.
    width : int
        Channels of a patch.
    depth : int
        Layers.

    Raises
    ------
    ValueError
        If the items are not images of at least 8 x 8.
    """
    channels, height, across = image_shape(shape)
    return Mixer(channels, (height // PATCH) * (across // PATCH), outputs, width, depth)


def _mlp(width: int, hidden: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
