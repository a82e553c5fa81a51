# SPDX-License-Identifier: Apache-2.0
"""Finds hands in a whole frame: a score and a box at every stride-8 cell.

Which hand it is, the pose network tells.

After CenterNet (Zhou et al., arXiv 1904.07850): hands are the local maxima of the scores.
"""

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from digit_core.network.residual import ConvNormReLU, ResidualPyramid, init_weights

DETECTOR_SIZE = 384
STRIDE = 8
#: Side of the box that exp(0) stands for, input pixels.
UNIT_SIDE_PX = 32.0


class DetectorOutput(NamedTuple):
    """Raw detector answer.

    Attributes:
        score_logits: (B, 1, H/8, W/8), that a hand's middle is there.
        boxes: (B, 3, H/8, W/8): of cell (kx, ky) the box's centre is (kx + 0.5 + boxes[0]) * 8,
            (ky + 0.5 + boxes[1]) * 8 and its side 32 exp(boxes[2]) input pixels; the box is the
            square over the longer side of the tight box of the hand's 21 joints.
    """

    score_logits: Tensor
    boxes: Tensor


class HandDetector(nn.Module):
    """The detector; sizes that are multiples of 32 work, DETECTOR_SIZE is what it is used with."""

    def __init__(self) -> None:
        super().__init__()
        width, head, deep = 64, 64, 192
        self.trunk = ResidualPyramid((16, 32), ((48, 1), (96, 2), (deep, 2)), width)
        self.context = nn.Linear(deep, width)
        self.head = ConvNormReLU(width, head)
        self.score = nn.Conv2d(head, 1, 1)
        self.box = nn.Conv2d(head, 3, 1)
        init_weights(self)
        if self.score.bias is not None:
            nn.init.constant_(self.score.bias, -4.0)

    def forward(self, images: Tensor) -> DetectorOutput:
        """Letterboxed frames (B, 3, H, W) float RGB in [0, 1] to `DetectorOutput`."""
        features, deep = self.trunk(images)
        context = self.context(deep.mean((2, 3)))[:, :, None, None]
        features = self.head(F.relu(features + context))
        return DetectorOutput(self.score(features).float(), self.box(features).float())
