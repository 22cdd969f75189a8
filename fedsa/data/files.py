"""A user's own data: an ``.npz`` file, or a folder of images with a folder for each class."""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from fedsa.data.dataset import Dataset
from fedsa.data.targets import Target, target_of
from fedsa.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_GREY = ("1", "L", "LA")
_TARGET = re.compile(r"(test_)?target_.+")


def from_npz(path: Path) -> Dataset:
    """Read a dataset from an ``.npz`` file.

    Its arrays: ``inputs`` (images as uint8 ``(n, C, H, W)`` or ``(n, H, W)``, all else as
    numbers ``(n, ...)``) and ``labels`` (``(n,)`` whole numbers from 0, or names; -1 or an empty
    name where no label is known); optionally ``test_inputs`` and ``test_labels`` alike, and
    ``classes``, the names in order of the numbers.
    Further targets are arrays ``target_<name>`` (and ``test_target_<name>`` where there are test
    items); :func:`fedsa.data.targets.target_of` has their kinds.

    Raises
    ------
    DataError
        If the file cannot be read, lacks an array, or its arrays are not such.
    """
    wanted = ("inputs", "labels", "test_inputs", "test_labels", "classes")
    if path.is_file() and not zipfile.is_zipfile(path):
        raise DataError(
            f"The data file '{path}' is not a whole .npz file: save its arrays with numpy.savez."
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file if key in wanted or _TARGET.match(key)}
    except FileNotFoundError:
        raise DataError(f"There is no data file '{path}': check the path.") from None
    except ValueError as error:
        why = "it holds Python objects (a pickle)" if "pickle" in str(error).lower() else str(error)
        raise DataError(
            f"The data file '{path}' cannot be read: {why}; save plain arrays with numpy.savez."
        ) from None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError, TypeError) as error:
        raise DataError(
            f"The data file '{path}' is not a whole .npz file ({type(error).__name__}): "
            "save it anew with numpy.savez."
        ) from None
    for key in ("inputs", "labels"):
        if key not in arrays:
            raise DataError(f"The data file '{path}' has no array '{key}'.")
    if ("test_inputs" in arrays) != ("test_labels" in arrays):
        raise DataError(f"The data file '{path}': give both test_inputs and test_labels or none.")
    inputs = _inputs(path, "inputs", arrays["inputs"])
    test_inputs = _inputs(path, "test_inputs", arrays.get("test_inputs", arrays["inputs"][:0]))
    given = [arrays["labels"], arrays.get("test_labels", arrays["labels"][:0])]
    classes = tuple(str(name) for name in np.ravel(arrays.get("classes", [])))
    if not classes:
        classes = _classes(np.concatenate([np.ravel(part) for part in given]))
    if not classes:
        raise DataError(
            f"The data file '{path}' has no label that tells a class: give whole numbers from 0, "
            "or names, or the names of all classes in the array 'classes'."
        )
    labels, test_labels = (_labels(path, part, classes) for part in given)
    parts = inputs, labels, classes, test_inputs, test_labels
    targets = _targets(path, arrays, bool(len(test_inputs)))
    return Dataset(path.name, *parts, source=str(path), targets=targets)


def _targets(path: Path, arrays: Mapping[str, np.ndarray], tested: bool) -> dict[str, Target]:
    what, found = f"The data file '{path}'", {}
    for key in arrays:
        if not key.startswith("target_"):
            continue
        if tested and f"test_{key}" not in arrays:
            raise DataError(f"{what}: there are test items, but no array 'test_{key}'.")
        name, test = key.removeprefix("target_"), arrays.get(f"test_{key}", arrays[key][:0])
        found[name] = target_of(what, name, arrays[key], test)
    return found


def _inputs(path: Path, key: str, array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8 and array.ndim == 4 and _channels_last(array.shape):
        raise DataError(
            f"The data file '{path}': {key} of shape {array.shape} would be images of "
            f"{array.shape[1]} channels; images are (n, C, H, W): save "
            f"numpy.moveaxis({key}, -1, 1)."
        )
    if array.dtype == np.uint8 and array.ndim >= 3:
        return array[:, None] if array.ndim == 3 else array
    if array.dtype.kind not in "fiub":
        raise DataError(f"The data file '{path}': {key} are {array.dtype}, not numbers.")
    if array.ndim == 4 and array.dtype.kind in "iu":
        raise DataError(
            f"The data file '{path}': {key} are {array.dtype} of shape {array.shape}; "
            "save images as uint8, from 0 to 255."
        )
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, and is refused
        return array.astype(np.float32)


def _channels_last(shape: tuple[int, ...]) -> bool:
    """Whether images lie there as most libraries hand them out, ``(n, H, W, C)``."""
    channels = (1, 3, 4)
    return shape[3] in channels and shape[1] not in channels


def _classes(labels: np.ndarray) -> tuple[str, ...]:
    if labels.dtype.kind in "iu":
        return tuple(
            str(label) for label in range(int(labels.astype(np.int64).max(initial=-1)) + 1)
        )
    return tuple(str(name) for name in np.unique(labels) if name)


def _labels(path: Path, labels: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    if labels.dtype.kind in "iu":
        return labels.astype(np.int64)
    if labels.dtype.kind != "U":
        raise DataError(
            f"The data file '{path}': labels are {labels.dtype}; give whole numbers or names."
        )
    if unknown := set(labels.ravel().tolist()) - {*classes, ""}:
        raise DataError(f"The data file '{path}': '{min(unknown)}' is not one of its classes.")
    place = {"": -1} | {name: number for number, name in enumerate(classes)}
    return np.array([place[str(name)] for name in labels.ravel()], np.int64).reshape(labels.shape)


def from_folder(path: Path) -> Dataset:
    """Read images from ``train/<class>/*`` and, if they are there, ``test/<class>/*``.

    Images in ``unlabelled/`` are items whose label is not known.

    All images must have the same size; if any is in colour, all are taken as RGB.

    Raises
    ------
    DataError
        If a folder is missing or empty, or a file is no image or has another size.
    """
    if not (path / "train").is_dir():
        raise DataError(
            f"The data folder '{path}' has no folder 'train': put the images into "
            f"{path / 'train'}/<class>/, and test images into {path / 'test'}/<class>/."
        )
    classes = tuple(sorted(p.name for p in (path / "train").iterdir() if p.is_dir()))
    if not classes:
        raise DataError(f"The folder '{path / 'train'}' has no folders: make one for each class.")
    files: dict[str, list[tuple[Path, int]]] = {"train": [], "test": []}
    for part, found in files.items():
        for folder in sorted(p for p in (path / part).glob("*") if p.is_dir()):
            if folder.name not in classes:
                raise DataError(f"'{folder}' is a class that '{path / 'train'}' does not have.")
            images = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
            if not images:
                raise DataError(f"The folder '{folder}' holds no images ({', '.join(SUFFIXES)}).")
            found += [(image, classes.index(folder.name)) for image in images]
    unlabelled = sorted(p for p in (path / "unlabelled").glob("*") if p.suffix.lower() in SUFFIXES)
    files["train"] += [(image, -1) for image in unlabelled]
    pixels = _pixels([image for found in files.values() for image, _ in found])
    labels = np.array([label for found in files.values() for _, label in found], np.int64)
    cut = len(files["train"])
    parts = pixels[:cut], labels[:cut], classes, pixels[cut:], labels[cut:]
    own = tuple(image.relative_to(path).as_posix() for image, _ in files["train"])
    return Dataset(path.name, *parts, source=str(path), files=own)


def _pixels(files: list[Path]) -> np.ndarray:
    images: list[np.ndarray] = []
    for file in files:
        try:
            with Image.open(file) as image:
                pixels = np.asarray(image.convert("L" if image.mode in _GREY else "RGB"))
        except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
            raise DataError(f"The image '{file}' cannot be read: {error}.") from None
        if images and pixels.shape[:2] != images[0].shape[:2]:
            (height, width), (first_height, first_width) = pixels.shape[:2], images[0].shape[:2]
            raise DataError(
                f"The image '{file}' is {width} x {height} but '{files[0]}' is {first_width} x "
                f"{first_height}: all images must have the same size."
            )
        images.append(pixels)
    colour = any(image.ndim == 3 for image in images)
    planes = [
        image.transpose(2, 0, 1) if image.ndim == 3 else image[None].repeat(1 + 2 * colour, axis=0)
        for image in images
    ]
    return np.stack(planes)


def fingerprint(path: Path) -> str:
    """Return a hash that changes when the data at a path changes.

    A file by its content; a folder by the names, sizes and times of the files in it.
    """
    digest = hashlib.sha256()
    if path.is_file():
        digest.update(path.read_bytes())
    for file in sorted(path.rglob("*")):
        state = file.stat()
        digest.update(f"{file.relative_to(path)} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()
