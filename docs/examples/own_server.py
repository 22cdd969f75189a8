"""The strategy in a ServerApp of one's own, with one's own arrays."""

from functools import partial

import torch
from flwr.serverapp import Grid

from fedsa.data.transfer import TransferSet
from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.models import build
from fedsa.options import SelectionOptions, StudentOptions
from fedsa.problem import Problem
from fedsa.selection.evidence import EvidenceSelector
from fedsa.strategy import Amalgamation
from fedsa.task import Classification


def amalgamate(grid: Grid, items, labelled, labels, classes, steps=1200) -> torch.nn.Module:
    """Train a student for ``classes`` from all teachers that the grid reaches."""
    problem = Problem(
        task=Classification(tuple(classes)),
        transfer=TransferSet(items),  # uint8 (n, C, H, W) or float32 (n, features)
        labelled=torch.as_tensor(labelled),  # numbers of the items whose labels are known
        labels=torch.as_tensor(labels),
        probe=torch.as_tensor(labelled)[:64],  # where looks are compared
        build=partial(build, "mlp", items.shape[1:], seed=0),
        student=StudentOptions(steps=steps),
    )
    strategy = Amalgamation(problem, EvidenceSelector(SelectionOptions()), PrototypeFusion())
    strategy.start(grid, num_rounds=4)
    return strategy.student
