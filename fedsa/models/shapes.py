"""What shapes of items the built-in networks take."""

from __future__ import annotations


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return ``(C, H, W)`` if the items are images that a convolutional network can take.

    Raises
    ------
    ValueError
        If the shape has not three parts, or H or W is under 8 pixels.
    """
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"it wants images (C, H, W), not {tuple(shape)}; for vectors use 'mlp'")
    channels, height, width = shape
    if min(height, width) < 8:
        raise ValueError(f"it wants images of at least 8 x 8 pixels, not {height} x {width}")
    return channels, height, width
