# SPDX-License-Identifier: Apache-2.0
"""A small residual encoder with a feature pyramid: the trunk of `digit-lite` and of the detector.

Plain 3x3 convolutions on purpose: on CPUs they run at twenty times the arithmetic rate of depthwise
ones, so that a "mobile" encoder of the same accuracy is slower.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class ConvNormReLU(nn.Sequential):
    """Convolution without bias, batch norm, ReLU; keeps the size at stride 1."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(inplace=True),
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al., CVPR 2016)."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = ConvNormReLU(c_in, c_out, 3, stride)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(c_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H / stride, W / stride)."""
        return F.relu(self.norm2(self.conv2(self.conv1(x))) + self.shortcut(x), inplace=True)


class ResidualPyramid(nn.Module):
    """Picture to one feature map that has seen two coarser ones, and the coarsest itself.

    Args:
        stem: channels of convolutions that halve the size, one each.
        stages: (channels, blocks) of stages that halve it again; the first has the output's size.
        width: channels of the pyramid.
    """

    def __init__(
        self, stem: tuple[int, ...], stages: tuple[tuple[int, int], ...], width: int
    ) -> None:
        super().__init__()
        channels_in = (3, *stem[:-1])
        self.stem = nn.Sequential(
            *(ConvNormReLU(a, b, 3, 2) for a, b in zip(channels_in, stem, strict=True))
        )
        self.stages, self.laterals, c_in = nn.ModuleList(), nn.ModuleList(), stem[-1]
        for channels, blocks in stages:
            layers = [
                ResidualBlock(c_in if i == 0 else channels, channels, 2 if i == 0 else 1)
                for i in range(blocks)
            ]
            self.stages.append(nn.Sequential(*layers))
            self.laterals.append(nn.Conv2d(channels, width, 1))
            c_in = channels
        self.smooth = ConvNormReLU(width, width)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) in [0, 1] to features (B, width, H/s, W/s) and (B, C, H/4s, W/4s)."""
        x = self.stem(images - 0.5)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        out = self.laterals[-1](levels[-1])
        for i in range(len(levels) - 2, -1, -1):
            out = F.interpolate(out, scale_factor=2.0, mode="nearest")
            out = out + self.laterals[i](levels[i])
        return self.smooth(out), levels[-1]


def init_weights(module: nn.Module) -> None:
    """He initialisation; the last norm of each residual block starts at zero."""
    for m in module.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            if m.bias is not None:
                nn.init.zeros_(m.bias)
    for m in module.modules():
        if isinstance(m, ResidualBlock):
            nn.init.zeros_(m.norm2.weight)
