"""Three institutions' models on handwritten digits: PyTorch, ONNX, scikit-learn."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import skops.io
import torch
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression

from fedsa.data.splits import split
from fedsa.models import build
from fedsa.private_training import Scaling, train
from fedsa.scenario import load
from tests.launcher.commands import EVEN, HIGH, LOW, scenario, teacher

CLASSES = {"torch": LOW, "onnx": HIGH, "sklearn": EVEN}
CARD = """
id = "{name}"
classes = {classes}
licence = "CC-BY-4.0"

[input]
shape = [64]
{scaling}
[saliency]
methods = ["occlusion", "rise"]
{policy}
[model]
{model}
"""
POLICY = """
[policy]
calls = ["predict", "saliency", "score"]
coordinators = ["coordinator", "local"]
{sets}
[policy.budget]
predict = {predict}
saliency = 20000
score = 200000
"""


CAREFUL = "onnx"
"""Whose institution approves transfer sets one by one."""
BUDGET = {"torch": 2000, "onnx": 2000, "sklearn": 210}
"""Items that each may be asked to predict; the last is less than the whole transfer set."""


def make(folder: Path) -> dict[str, Path]:
    """Train each model on its own shard and write its file; return these by name."""
    folder.mkdir(parents=True)
    pool = "".join(teacher(name, classes) for name, classes in CLASSES.items())
    parts = split(load(scenario(folder / "shards.toml", pool)))
    return {
        name: _make(
            folder / name,
            name,
            parts.shards[name],
            POLICY.format(predict=BUDGET[name], sets="" if name == CAREFUL else "any-set = true"),
        )
        for name in CLASSES
    }


def another(path: Path, folder: Path, name: str) -> Path:
    """Copy a teacher's files into a new folder, under another id."""
    shutil.copytree(path.parent, folder)
    copy = folder / path.name
    text = copy.read_text("utf-8")
    copy.write_text(text.replace(f'id = "{path.parent.name}"', f'id = "{name}"'), "utf-8")
    return copy


def _make(folder: Path, name: str, shard, policy: str) -> Path:  # type: ignore[no-untyped-def]
    folder.mkdir()
    scaling = Scaling.of(shard.inputs)
    numbers = f"mean = [{scaling.mean[0]}]\nstd = [{scaling.std[0]}]\n"
    if name == "sklearn":
        found = LogisticRegression(max_iter=500).fit(shard.inputs, shard.labels)
        skops.io.dump(found, folder / "model.skops")
        model, numbers = 'estimator = "model.skops"', ""
    else:
        net = build("mlp", (64,), len(shard.classes), 0)
        train(net, scaling, shard, 8, 0)
        if name == "onnx":
            batch = torch.export.Dim("batch", min=1)
            torch.onnx.export(
                net, (torch.zeros(2, 64),), folder / "model.onnx", dynamo=True, external_data=False,
                dynamic_shapes=({0: batch},), verbose=False,
            )  # fmt: skip
            model = 'onnx = "model.onnx"'
        else:
            save_file(net.state_dict(), folder / "weights.safetensors")
            model = 'factory = "mlp"\nweights = "weights.safetensors"'
    path = folder / "teacher.toml"
    text = CARD.format(
        name=name, classes=json.dumps(shard.classes), scaling=numbers, policy=policy, model=model
    )
    path.write_text(text, encoding="utf-8")
    return path
