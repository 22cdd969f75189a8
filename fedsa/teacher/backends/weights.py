"""A model from a factory and a safetensors file, and what to say when they do not fit."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from fedsa.errors import TeacherFileError
from fedsa.models import build

_SHOWN = 4


def from_factory(factory: str, weights: Path, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Build a module and fill it, in evaluation mode, with no parameter wanting gradients.

    Raises
    ------
    TeacherFileError
        If the file is damaged or does not fit; the first keys that differ are named.
    PluginError
        If the factory is unknown or fails.
    """
    module = build(factory, shape, outputs, seed=0)
    try:
        tensors = load_file(weights)
    except (SafetensorError, OSError) as error:
        raise TeacherFileError(f"'{weights}' is not a whole safetensors file: {error}.") from None
    wanted = module.state_dict()
    faults = mismatches(wanted, tensors)
    if faults:
        more = f" and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise TeacherFileError(
            f"the weights in '{weights.name}' do not fit the factory '{factory}' for items of "
            f"shape {shape} and {outputs} outputs: {'; '.join(faults[:_SHOWN])}{more}."
        )
    module.load_state_dict(tensors)
    return module.eval().requires_grad_(False)


def mismatches(wanted: dict[str, Tensor], found: dict[str, Tensor]) -> list[str]:
    """Return what differs between two state dicts, one clause a key, in order of keys."""
    faults = []
    for key in sorted({*wanted, *found}):
        if key not in found:
            faults.append(f"'{key}' {tuple(wanted[key].shape)} is missing")
        elif key not in wanted:
            faults.append(f"'{key}' {tuple(found[key].shape)} is not part of the model")
        elif wanted[key].shape != found[key].shape:
            faults.append(
                f"'{key}' is {tuple(found[key].shape)} where the model has "
                f"{tuple(wanted[key].shape)}"
            )
    return faults
