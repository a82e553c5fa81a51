# SPDX-License-Identifier: Apache-2.0
"""The U-Net that merges image features with part features (arXiv 1505.04597)."""

import torch
from torch import Tensor, nn

from digit_core.network.blocks import double_conv, upsample_bilinear


class SmallUNet(nn.Module):
    """Three levels down and up again; (B, width, H, W) in and out, H and W multiples of 8."""

    def __init__(self, width: int):
        super().__init__()
        self.enter = double_conv(width, 64, 64)
        self.down1 = double_conv(64, 128, 128)
        self.down2 = double_conv(128, 256, 256)
        self.down3 = double_conv(256, 256, 256)
        self.up1 = double_conv(256 + 256, 256, 128)
        self.up2 = double_conv(128 + 128, 128, 64)
        self.up3 = double_conv(64 + 64, 64, 64)
        self.leave = nn.Conv2d(64, width, 1)
        self.halve = nn.MaxPool2d(2)
        self.upsample = upsample_bilinear()

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same shape."""
        level0 = self.enter(x)
        level1 = self.down1(self.halve(level0))
        level2 = self.down2(self.halve(level1))
        deepest = self.down3(self.halve(level2))
        # The skip comes first: the order is baked into the published weights.
        x = self.up1(torch.cat((level2, self.upsample(deepest)), dim=1))
        x = self.up2(torch.cat((level1, self.upsample(x)), dim=1))
        x = self.up3(torch.cat((level0, self.upsample(x)), dim=1))
        out: Tensor = self.leave(x)
        return out
