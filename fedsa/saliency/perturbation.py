"""Attribution by perturbation: only answers are needed, so any callable in batches will do.

Occlusion (Zeiler & Fergus 2014) covers one patch at a time; RISE (Petsiuk et al. 2018) weighs
random masks by what the network still says. Captum runs one forward pass a patch; here all
perturbed copies of a chunk of items go through the network together. The lattice is the same
share of every input size, and RISE's masks depend on the seed and the size only, so that networks
can be compared.

What is covered takes the middle of its channel's range in that item: mid-grey in an image,
however it was normalised. Covering with black says nothing about dark places, and then most of a
map is the picture and not the look. A vector's features have no common range: they become zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from fedsa.saliency.batches import CHUNK, Answering, chunks, probabilities, settle
from fedsa.seeding import torch_generator

CELLS = 49
"""Patches that cover an input: 7 x 7 of an image, 49 bins of a vector."""
MASKS = 96
"""Random masks of :func:`rise`."""


def occlusion(model: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """Return by how much covering a patch lowers the own class's probability, ``(n, *spatial)``.

    A drop below zero (the network is surer without the patch) counts as no drop; a pixel gets
    the mean of its patches. The own class's drop ranks teachers better than the total
    variation of the whole answer, which also moves with what the network does not decide by.
    Answers that are values have no own class: there it is how far they all move.
    """
    patches = lattice(_spatial(inputs)).to(inputs.device)

    def function(items: Tensor) -> Tensor:
        answered, perturbed = _answers(model, items, 1.0 - patches)
        own = _left if isinstance(model, Answering) else _own
        drop = (own(answered, answered[:, None]) - own(answered, perturbed)).clamp_min(0.0)
        return drop @ patches.flatten(1) / patches.flatten(1).sum(dim=0)

    return _chunked(model, inputs, len(patches), function)


def rise(
    model: Callable[[Tensor], Tensor], inputs: Tensor, seed: int = 0, masks: int = MASKS
) -> Tensor:
    """Return the mean mask, weighted by the own class's probability under it, ``(n, *spatial)``.

    S(x) = sum_k p_c(x * M_k) M_k / sum_k M_k, less its least value: the least value is what the
    network says whatever it sees, and tells nothing about where it looks.
    """
    drawn = random_masks(_spatial(inputs), masks, seed).to(inputs.device)
    cover = drawn.flatten(1)

    def function(items: Tensor) -> Tensor:
        answered, perturbed = _answers(model, items, drawn)
        own = _left if isinstance(model, Answering) else _own
        weighted = own(answered, perturbed) @ cover / cover.sum(dim=0).clamp_min(1e-6)
        return weighted - weighted.amin(dim=1, keepdim=True)

    return _chunked(model, inputs, masks, function)


def lattice(spatial: tuple[int, ...]) -> Tensor:
    """Return about ``CELLS`` equal patches that together cover everything, ``(patches, *spatial)``.

    Examples
    --------
    >>> tuple(lattice((28, 28)).shape), tuple(lattice((13,)).shape)
    ((49, 28, 28), (13, 13))
    """
    patches = torch.ones(1)
    for size in spatial:
        count = min(size, round(CELLS ** (1 / len(spatial))))
        width = math.ceil(size / count)
        starts = torch.linspace(0, size - width, count).round()
        places = torch.arange(size)
        bars = ((places >= starts[:, None]) & (places < starts[:, None] + width)).float()
        bars = bars.view(1, count, *[1] * (patches.ndim - 1), size)
        patches = (patches[:, None, ..., None] * bars).flatten(0, 1)
    return patches


def passes(method: str, spatial: tuple[int, ...]) -> int:
    """Return how many forward passes a map by ``occlusion`` or ``rise`` takes of one item.

    Examples
    --------
    >>> passes("occlusion", (28, 28)), passes("rise", (28, 28))
    (50, 97)
    """
    return 1 + (len(lattice(spatial)) if method == "occlusion" else MASKS)


def random_masks(spatial: tuple[int, ...], masks: int, seed: int) -> Tensor:
    """Return smooth random masks in [0, 1], each cell kept with even odds, ``(masks, *spatial)``.

    A coarse grid of coin tosses, one cell larger than the lattice, is enlarged and cut at a
    random offset, as in the paper; masks come in complementary pairs, which halves their noise.
    """
    generator = torch_generator(seed, "saliency", "rise", *spatial)
    half = (masks + 1) // 2
    count = [min(size, round(CELLS ** (1 / len(spatial)))) for size in spatial]
    coins = (torch.rand((half, *[c + 1 for c in count]), generator=generator) < 0.5).float()
    for axis, (size, cells) in enumerate(zip(spatial, count, strict=True)):
        # Where each place falls on the coarse grid, by linear interpolation along this axis.
        offset = torch.rand((half, 1), generator=generator)
        place = (torch.arange(size) + 0.5) / size * (cells - 1 if cells > 1 else 0) + offset
        low = place.floor().long().clamp(max=cells)
        high = (low + 1).clamp(max=cells)
        share = (place - low).view(half, *[1] * axis, size, *[1] * (len(spatial) - axis - 1))
        coins = (1 - share) * _take(coins, low, axis) + share * _take(coins, high, axis)
    return torch.cat([coins, 1.0 - coins])[:masks]


def _take(values: Tensor, places: Tensor, axis: int) -> Tensor:
    shape = list(values.shape)
    shape[axis + 1] = places.shape[1]
    view = [len(places)] + [1] * (values.ndim - 1)
    view[axis + 1] = places.shape[1]
    return values.gather(axis + 1, places.view(view).expand(shape))


def _spatial(inputs: Tensor) -> tuple[int, ...]:
    return tuple(inputs.shape[2:] if inputs.ndim > 2 else inputs.shape[1:])


def _answers(
    model: Callable[[Tensor], Tensor], items: Tensor, keep: Tensor
) -> tuple[Tensor, Tensor]:
    """Return answers on ``items`` ``(b, C)`` and on all masked copies ``(b, masks, C)``."""
    kept = keep[None] if items.ndim == 2 else keep[None, :, None]
    copies = items[:, None] * kept + _middle(items)[:, None] * (1.0 - kept)
    perturbed = probabilities(model, copies.flatten(0, 1))
    return probabilities(model, items), perturbed.view(len(items), len(keep), -1)


def _own(answered: Tensor, others: Tensor) -> Tensor:
    """Return the probability in ``(b, copies, C)`` of the class answered first, ``(b, copies)``."""
    own = answered.argmax(dim=1)[:, None, None].expand(-1, others.shape[1], 1)
    return others.gather(2, own)[:, :, 0]


def _left(answered: Tensor, others: Tensor) -> Tensor:
    """Return what is left of an answer of values: one less the mean change, ``(b, copies)``."""
    return 1.0 - (others - answered[:, None]).abs().mean(dim=2)


def _middle(items: Tensor) -> Tensor:
    if items.ndim == 2:
        return torch.zeros_like(items)
    axes = tuple(range(2, items.ndim))
    return (items.amin(dim=axes, keepdim=True) + items.amax(dim=axes, keepdim=True)) / 2


def _chunked(
    model: Callable[[Tensor], Tensor],
    inputs: Tensor,
    copies: int,
    function: Callable[[Tensor], Tensor],
) -> Tensor:
    settle(model)
    parts = [function(items) for items in chunks(inputs, max(1, CHUNK // copies))]
    return torch.cat(parts).view(len(inputs), *_spatial(inputs)).clamp_min(0.0)
