"""The other kinds of plug-ins, each as small as it can be."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from fedsa.data import Dataset
from fedsa.fusion.base import Fused, Stage
from fedsa.fusion.distil import distil
from fedsa.options import FusionOptions
from fedsa.problem import Answers, Problem


class MostSure:
    """A fusion that labels every item as the surest teacher would, read through the labels."""

    def __init__(self, options: FusionOptions) -> None:
        self.options = options

    def fit(
        self,
        problem: Problem,
        answers: Answers,
        weights: Mapping[str, float],
        stage: Stage,
        state: Mapping[str, Tensor],
    ) -> Fused:
        """Form one belief an item and distil it."""
        truth = torch.eye(problem.task.outputs)[problem.labels]
        beliefs = torch.full((len(problem.transfer), problem.task.outputs), 1e-6)
        surest = torch.zeros(len(problem.transfer))
        for name in answers:
            if weights.get(name, 0.0) > 0:
                given = answers[name].nan_to_num(0.0)
                joint = given[problem.labelled].T @ truth + 0.01  # teacher's class x task's class
                sure = given.max(dim=1).values
                better = sure > surest
                beliefs[better] = (given @ (joint / joint.sum(dim=1, keepdim=True)))[better]
                surest = torch.maximum(surest, sure)
        beliefs = beliefs / beliefs.sum(dim=1, keepdim=True)
        return Fused(distil(problem, beliefs, answers.covered(weights), "most-sure", stage.round))


def brightness(model: nn.Module, inputs: Tensor) -> Tensor:
    """Look at whatever is bright: a saliency method, ``(n, *shape)`` to ``(n, *spatial)``."""
    found = inputs.clamp_min(0.0)
    return found.sum(dim=1) if found.ndim > 2 else found


def linear(shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Make a network: a model factory, for students and for simulated teachers."""
    size = int(np.prod(shape))
    return nn.Sequential(nn.Flatten(), nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, outputs))


def stripes() -> Dataset:
    """Make a dataset of pictures with upright or lying stripes."""
    draw = np.random.default_rng(0)
    labels = np.arange(600, dtype=np.int64) % 2
    wave = (np.sin(np.arange(12) * 1.5) * 60 + 128)[None, :, None] + np.zeros((1, 1, 12))
    pictures = np.where(labels[:, None, None] == 1, wave, wave.transpose(0, 2, 1))
    noisy = np.clip(pictures + draw.normal(0, 40, (600, 12, 12)), 0, 255).astype(np.uint8)[:, None]
    return Dataset(
        name="stripes",
        inputs=noisy[:500],
        labels=labels[:500],
        classes=("upright", "lying"),
        test_inputs=noisy[500:],
        test_labels=labels[500:],
        licence="CC0-1.0",
        source="made by docs/examples/parts.py",
    )
