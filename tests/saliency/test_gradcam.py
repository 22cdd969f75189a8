"""Grad-CAM against its equation by hand, and the rule that finds its layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedsa.saliency.gradcam import grad_cam, last_convolution
from fedsa.saliency.gradient import gradient_x_input


class Residual(nn.Module):
    """A block whose shortcut of one-pixel kernels runs after the wide convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.shortcut = nn.Conv2d(1, 3, 1)
        self.never_called = nn.Conv2d(1, 3, 5)
        self.wide = nn.Conv2d(1, 3, 3, padding=1)
        self.head = nn.Linear(3, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.wide(inputs).relu() + self.shortcut(inputs)
        return self.head(features.mean(dim=(2, 3)))


def test_the_layer_is_the_last_wide_convolution_that_is_called() -> None:
    model = Residual()
    assert last_convolution(model, torch.rand(1, 1, 8, 8)) is model.wide


def test_one_pixel_convolutions_serve_where_there_is_no_other() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1), nn.Flatten(), nn.Linear(32, 2))
    assert last_convolution(model, torch.rand(1, 1, 4, 4)) is model[1]


def test_map_is_the_equation() -> None:
    torch.manual_seed(0)
    conv, head = nn.Conv2d(1, 4, 3, stride=2), nn.Linear(4, 3)
    model = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    x = torch.rand(6, 1, 9, 9)
    found = grad_cam(model, x)

    maps = conv(x).detach().requires_grad_()
    logits = head(maps.relu().mean(dim=(2, 3)))
    own = logits.argmax(dim=1, keepdim=True)
    (slope,) = torch.autograd.grad(logits.gather(1, own).sum(), maps)
    cam = (slope.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1, keepdim=True).relu()
    wanted = F.interpolate(cam, size=(9, 9), mode="bilinear", align_corners=False)[:, 0]
    assert wanted.max() > 0
    torch.testing.assert_close(found, wanted.detach())


def test_networks_without_convolution_fall_back_to_the_input() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    x = torch.rand(2, 1, 4, 4)
    assert torch.equal(grad_cam(model, x), gradient_x_input(model, x))
