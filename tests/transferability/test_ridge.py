"""Ridge regression and its left-out errors, against fitting anew without each label."""

from __future__ import annotations

import torch

from fedsa.transferability import ridge
from fedsa.transferability.ridge import explained, fit


def make(seed: int, items: int = 30, width: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn((items, width), generator=generator, dtype=torch.float64)
    noise = 0.1 * torch.randn((items, 2), generator=generator, dtype=torch.float64)
    return features, features[:, :2] @ torch.tensor([[1.0, 0.5], [0.0, -1.0]]).double() + noise


def test_it_solves_the_penalised_equations() -> None:
    features, values = make(0)
    found = fit(features, values)
    centred = features - features.mean(dim=0)
    solutions = [
        torch.linalg.solve(
            centred.T @ centred + penalty * torch.eye(5).double(), centred.T @ values
        )
        for penalty in ridge.PENALTIES
    ]
    assert any(torch.allclose(found.weights, one, atol=1e-8) for one in solutions)


def test_left_out_errors_are_those_of_fits_without_the_label() -> None:
    features, values = make(1, items=12)
    found = fit(features, values)
    for i in range(12):
        rest = torch.arange(12) != i
        inputs, targets = features[rest], values[rest]
        inside = inputs - inputs.mean(dim=0)
        errors = []
        for penalty in ridge.PENALTIES:
            matrix = inside.T @ inside + penalty * torch.eye(5).double()
            weights = torch.linalg.solve(matrix, inside.T @ (targets - targets.mean(dim=0)))
            predicted = (features[i] - inputs.mean(dim=0)) @ weights + targets.mean(dim=0)
            errors.append(values[i] - predicted)
        assert min(float((e - found.residuals[i]).abs().max()) for e in errors) < 1e-8


def test_what_is_explained_is_a_share_of_the_variance() -> None:
    features, values = make(2, items=200)
    assert 0.95 < float(explained(features, values).mean()) <= 1.0
    useless = torch.randn((200, 5), generator=torch.Generator().manual_seed(3)).double()
    assert abs(float(explained(useless, values).mean())) < 0.1
    assert float(explained(torch.zeros(200, 3), values).mean()) < 1e-9
