"""Small images and the maps laid over them, as arrays ``(h, w, 3)`` in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from PIL import Image

from fedsa.runs.report.material import Array

TILE = 84
"""Least side of a drawn image in pixels."""


def is_images(array: Array | None, dimensions: int) -> bool:
    """Tell whether an array is a stack of images: that many dimensions, 1 or 3 channels."""
    return bool(
        array is not None
        and array.ndim == dimensions
        and array.size > 0
        and array.shape[-3] in (1, 3)
        and min(array.shape[-2:]) > 1
    )


def picture(image: Array, tile: int = TILE) -> Array:
    """Return a ``(C, H, W)`` image in colour, enlarged by a whole factor to at least ``tile``."""
    colour = np.clip(np.nan_to_num(image.astype(np.float64)), 0.0, 1.0).transpose(1, 2, 0)
    if colour.shape[2] == 1:
        colour = colour.repeat(3, axis=2)
    factor = max(1, -(-tile // max(colour.shape[:2])))
    enlarged: Array = colour.repeat(factor, axis=0).repeat(factor, axis=1)
    return enlarged


def overlaid(image: Array, attribution: Array, tile: int = TILE) -> Array:
    """Return the image in pale grey with its map on top, the stronger the more opaque.

    Parameters
    ----------
    image : Array
        ``(C, H, W)`` in [0, 1].
    attribution : Array
        ``(cells,)`` non-negative, a square grid in row order; NaN where there is none.
    """
    base = picture(image, tile)
    grey = 0.35 + 0.5 * base.mean(axis=2, keepdims=True).repeat(3, axis=2)
    side = round(len(attribution) ** 0.5)
    if side * side != len(attribution):
        raise ValueError("a map over an image is a square grid")
    if not np.isfinite(attribution).all() or attribution.max() <= 0:
        return np.full(grey.shape, 0.93)
    grid = Image.fromarray((attribution / attribution.max()).astype(np.float32).reshape(side, side))
    size = (grey.shape[1], grey.shape[0])
    strength = np.clip(np.asarray(grid.resize(size, Image.Resampling.BICUBIC)), 0.0, 1.0)
    colour = mpl.colormaps["inferno"](strength)[..., :3]
    alpha = (0.9 * strength**0.8)[..., None]
    mixed: Array = (1.0 - alpha) * grey + alpha * colour
    return mixed


def strip(tiles: Sequence[Array], gap: int = 6) -> Array:
    """Return pictures of equal size side by side, white between them."""
    white = np.ones((tiles[0].shape[0], gap, 3))
    parts = [part for tile in tiles for part in (tile, white)]
    return np.concatenate(parts[:-1], axis=1)
