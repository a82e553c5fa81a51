# SPDX-License-Identifier: Apache-2.0
"""The DIGIT network (Fan et al., 3DV 2021, arXiv 2107.00434).

Part segmentation comes first; its logits become features that are merged with the image
features before joints, presence and relative root depth are read off.
"""

import torch
from torch import Tensor, nn

from digit_core.network.blocks import conv_relu, double_conv, upsample_bilinear
from digit_core.network.hrnet import WIDTHS, HRNet
from digit_core.network.output import DigitOutput, Heads
from digit_core.network.soft_argmax import (
    expected_value,
    expected_xy,
    heatmap_probabilities,
    soft_argmax_1d,
)
from digit_core.network.unet import SmallUNet

JOINTS = 42
PARTS = 33
ROOT_BINS = 64
PART_FEATURES = 512
GLOBAL_FEATURES = 512


class PartHead(nn.Module):
    """(B, 32, H, W) image features to (B, 33, 2H, 2W) part logits."""

    def __init__(self) -> None:
        super().__init__()
        self.upsample = upsample_bilinear()
        self.features = double_conv(WIDTHS[0], 16, 64)
        self.classes = nn.Sequential(
            nn.Conv2d(64, PARTS, 3, padding=1),
            nn.BatchNorm2d(PARTS),
            nn.ReLU(inplace=True),
            nn.Conv2d(PARTS, PARTS, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits at twice the features' size."""
        out: Tensor = self.classes(self.features(self.upsample(x)))
        return out


class Digit(nn.Module):
    """Images (B, 3, 256, 256), RGB in [0, 1], to `DigitOutput`.

    Sizes other than 256 run when they are multiples of 32, but the published weights know 256
    only. Any floating dtype, memory format and device.
    """

    def __init__(self) -> None:
        super().__init__()
        width = WIDTHS[0] + PART_FEATURES
        self.backbone = HRNet()
        self.part_head = PartHead()
        self.part_features = conv_relu((PARTS, 64, PART_FEATURES), pool_after=(2,))
        self.merge = SmallUNet(width)
        self.heatmap = nn.Conv2d(width, JOINTS, 1)
        self.depth = nn.Conv2d(width, JOINTS, 1)
        self.global_features = conv_relu(
            (width, 64, 128, 256, 512, 512, GLOBAL_FEATURES), pool_after=(2, 4, 6)
        )
        self.root_depth = _two_linear(ROOT_BINS)
        self.presence = _two_linear(2)

    def forward(self, images: Tensor) -> DigitOutput:
        """Answer for a batch of crops."""
        return self.answer(self.heads(images))

    def heads(self, images: Tensor) -> Heads:
        """All layers, nothing decoded."""
        features = self.backbone(images)
        parts = self.part_head(features)
        features = self.merge(torch.cat((features, self.part_features(parts)), dim=1))
        pooled = self.global_features(features).mean(dim=(2, 3))
        return Heads(
            heatmaps=self.heatmap(features),
            depth=self.depth(features),
            root=self.root_depth(pooled),
            hands=self.presence(pooled),
            parts=parts,
        )

    def answer(self, heads: Heads) -> DigitOutput:
        """Decode; no weights in it."""
        heatmaps = _at_least_float32(heads.heatmaps)
        return DigitOutput(
            heatmaps=heatmaps,
            joints_25d=decode_joints(heatmaps, _at_least_float32(heads.depth)),
            root_depth=soft_argmax_1d(_at_least_float32(heads.root)),
            hand_logits=heads.hands,
            part_logits=heads.parts,
        )


def decode_joints(heatmaps: Tensor, depths: Tensor) -> Tensor:
    """Joints in 2.5D from scores and depth maps, both (B, J, H, W): (B, J, 3) in cells.

    x and y are the softmax's mean position, the depth is the map's mean under the same softmax.
    """
    probabilities = heatmap_probabilities(heatmaps)
    depth = expected_value(probabilities, depths)
    return torch.cat((expected_xy(probabilities), depth.unsqueeze(2)), dim=2)


def _at_least_float32(scores: Tensor) -> Tensor:
    """Sums over thousands of cells need more than the 8 to 11 bits of 16-bit numbers."""
    return scores.to(torch.promote_types(scores.dtype, torch.float32))


def _two_linear(outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(GLOBAL_FEATURES, 512), nn.ReLU(inplace=True), nn.Linear(512, outputs)
    )
