"""Proposes which items of a transfer set to label, from what the teachers answered about it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedsa.data import label_file
from fedsa.errors import RunError
from fedsa.fusion.stack import features
from fedsa.problem import Answers
from fedsa.prototypes.coverage import Covering, cover

BESIDE = 4
"""Items shown beside each proposed one: others that it stands for."""


def suggest(answers: Answers, count: int, seed: int) -> Covering:
    """Return the items to label, and what share of the transfer set each stands for.

    Nothing is known of the teachers without labels, so all count alike: a useless one blurs the
    picture a little, while a guess at who is useless may leave out who knows a rare class.

    Parameters
    ----------
    answers : Answers
        Of every teacher, on the whole transfer set as far as it answered.
    count : int
        Labels that can be had.
    seed : int
        Root of the random draws.

    Raises
    ------
    RunError
        If nobody has answered, or there are fewer items than labels.
    """
    told = answers.of([name for name in answers if bool(answers.asked(name).any())])
    if not told:
        raise RunError("No teacher has answered, so there is nothing to tell items apart by.")
    columns = features(told, dict.fromkeys(told, 1.0 / len(told)))
    if count > len(columns):
        raise RunError(f"--count {count}: the transfer set has {len(columns)} items.")
    return cover(columns.numpy().astype(np.float64), count, seed)


def write(
    path: Path,
    found: Covering,
    inputs: np.ndarray,
    classes: Sequence[str],
    where: Sequence[str],
) -> Path | None:
    """Write the list, and beside it a page to look at where the items are images.

    Parameters
    ----------
    path : Path
        The CSV file; its ``class`` column is to be filled in.
    found : Covering
        Of :func:`suggest`.
    inputs : np.ndarray
        ``(n, *shape)`` the transfer set.
    classes : Sequence[str]
        Names that may be filled in.
    where : Sequence[str]
        Where each proposed item lies in the data, as a person would look it up.

    Returns
    -------
    Path | None
        The page.
    """
    try:
        label_file.write(path, found.items, found.masses, inputs, where)
        if inputs.ndim != 4 or inputs.dtype != np.uint8:
            return None
        page = path.with_suffix(".html")
        page.write_text(_page(path, found, inputs, classes, where), encoding="utf-8")
    except OSError as error:
        raise RunError(f"'{path}' cannot be written: {error.strerror}.") from None
    return page


def _page(
    path: Path, found: Covering, inputs: np.ndarray, classes: Sequence[str], where: Sequence[str]
) -> str:
    rows = []
    for place, (item, mass, own) in enumerate(zip(found.items, found.masses, where, strict=True)):
        others = np.setdiff1d(np.flatnonzero(found.home == place), item)[:BESIDE]
        beside = "".join(_image(inputs[other], 28) for other in others)
        rows.append(
            f"<tr><td>{_image(inputs[item], 84)}</td><td>{item}</td>"
            f"<td>{escape(own)}</td><td>{100 * mass:.1f} %</td><td>{beside}</td></tr>"
        )
    names = escape(", ".join(classes))
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Items to label</title>"
        "<style>body{font:15px sans-serif;margin:2em}td{padding:2px 12px}"
        "img{image-rendering:pixelated;margin-right:2px}</style><h1>Items to label</h1>"
        f"<p>Fill in the column <b>class</b> of {escape(path.name)}: {names}.</p>"
        "<table><tr><th>item<th>number<th>where<th>stands for<th>others of the kind</tr>"
        f"{''.join(rows)}</table></html>\n"
    )


def _image(item: NDArray[np.uint8], size: int) -> str:
    grid = np.moveaxis(item, 0, -1)
    picture = Image.fromarray(grid[..., 0] if grid.shape[-1] == 1 else grid[..., :3])
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img src="data:image/png;base64,{data}" width={size} height={size} alt="">'
