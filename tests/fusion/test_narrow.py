"""Networks compute in narrower numbers while they are trained, and in nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedsa.fusion.narrow import narrow
from fedsa.fusion.training import train
from fedsa.models import build
from fedsa.options import StudentOptions

INPUTS = torch.rand(40, 1, 12, 12, generator=torch.Generator().manual_seed(0))
LABELS = (INPUTS.mean(dim=(1, 2, 3)) > 0.5).long()


class Seen(nn.Module):
    """Notes the type of what it passes on."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: list[torch.dtype] = []

    def forward(self, x: Tensor) -> Tensor:
        self.kinds.append(x.dtype)
        return x


def whole() -> tuple[nn.Sequential, Seen]:
    """A network within which types are noted, and a head on it that is no network of its own."""
    network, seen = build("conv", (1, 12, 12), 8, 0), Seen()
    assert isinstance(network, nn.Sequential)
    network.insert(1, seen)  # after the first convolution
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Sequential(network, nn.Linear(8, 2)), seen


def test_only_the_network_is_narrow_and_only_during_it() -> None:
    module, seen = whole()
    with narrow(module, "bfloat16"):
        inside = module[0](INPUTS)
        found = module(INPUTS)
        assert inside.dtype == found.dtype == torch.float32
        assert not torch.is_autocast_enabled("cpu")
    assert module(INPUTS).dtype == torch.float32
    assert seen.kinds == [torch.bfloat16, torch.bfloat16, torch.float32]
    assert torch.allclose(found, module(INPUTS), atol=0.05)
    assert not module[0]._forward_hooks and not module[0]._forward_pre_hooks


def test_off_changes_nothing() -> None:
    module, seen = whole()
    with narrow(module, "off"):
        module(INPUTS)
    assert seen.kinds == [torch.float32]


def test_a_forward_pass_that_fails_leaves_nothing_narrow() -> None:
    module, _ = whole()
    with narrow(module, "bfloat16"), pytest.raises(RuntimeError):
        module(INPUTS[:, 0, 0])
    assert not torch.is_autocast_enabled("cpu")
    assert not module[0]._forward_hooks


def trained(autocast: str) -> tuple[nn.Module, Seen]:
    module, seen = whole()

    def loss(module: nn.Module, batch: Tensor, step: int) -> Tensor:
        return F.cross_entropy(module(INPUTS[batch]), LABELS[batch])

    options = StudentOptions.model_validate({"batch": 20, "autocast": autocast})
    return train(module, loss, torch.arange(40), 60, options, 0, "narrow")[0], seen


def test_a_student_trained_so_learns_the_same_and_is_of_the_same_kind() -> None:
    (wide, _), (thin, seen) = trained("off"), trained("bfloat16")
    assert set(seen.kinds) == {torch.bfloat16}
    assert thin.state_dict().keys() == wide.state_dict().keys()
    assert all(value.dtype != torch.bfloat16 for value in thin.state_dict().values())
    right = [(one(INPUTS).argmax(dim=1) == LABELS).float().mean().item() for one in (wide, thin)]
    assert min(right) > 0.9
    again, _ = trained("bfloat16")
    assert all(
        torch.equal(a, b) for a, b in zip(thin.parameters(), again.parameters(), strict=True)
    )
