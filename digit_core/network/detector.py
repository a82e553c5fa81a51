# SPDX-License-Identifier: Apache-2.0
"""Finds hands in a whole frame: a score for right and left and a box at every stride-8 cell.

After CenterNet (Zhou et al., arXiv 1904.07850): hands are the local maxima of the scores.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from digit_core.network.residual import ConvNormReLU, ResidualPyramid, init_weights

DETECTOR_SIZE = 256
STRIDE = 8
_SHUFFLE = 2
#: Side of the box that exp(0) stands for, input pixels.
UNIT_SIDE_PX = 32.0


class DetectorOutput(NamedTuple):
    """Raw detector answer.

    Attributes:
        score_logits: (B, 2, H/8, W/8), right and left.
        boxes: (B, 3, H/8, W/8): of cell (kx, ky) the box's centre is (kx + 0.5 + boxes[0]) * 8,
            (ky + 0.5 + boxes[1]) * 8 and its side 32 exp(boxes[2]) input pixels; the box is the
            square over the longer side of the tight box of the hand's 21 joints.
    """

    score_logits: Tensor
    boxes: Tensor


class HandDetector(nn.Module):
    """The detector; sizes that are multiples of 64 work, 256 is what it is used with.

    Its trunk is that of `digit-lite`, which training starts it from. Whether a cell shows a hand
    and which one are told apart: a hand of unknown side is found all the same, with half the score
    for each side.
    """

    def __init__(self) -> None:
        super().__init__()
        width, head = 96, 64
        self.trunk = ResidualPyramid((16, 32, 48), ((64, 2), (128, 2), (256, 2)), width)
        self.context = nn.Linear(256, width)
        self.head = ConvNormReLU(width, head)
        self.score = nn.Conv2d(head, 2 * _SHUFFLE**2, 1)
        self.box = nn.Conv2d(head, 3 * _SHUFFLE**2, 1)
        init_weights(self)
        with torch.no_grad():
            self.score.bias[: _SHUFFLE**2] = -4.0

    def hand_and_side(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Letterboxed frames (B, 3, H, W) in [0, 1] to maps at stride 8.

        Returns:
            Logits of a hand (B, 1, H/8, W/8), logits of right over left, same shape, and boxes
            (B, 3, H/8, W/8) as in `DetectorOutput`.
        """
        features, deep = self.trunk(images)
        context = self.context(deep.mean((2, 3)))[:, :, None, None]
        features = self.head(F.relu(features + context))
        score = F.pixel_shuffle(self.score(features).float(), _SHUFFLE)
        boxes = F.pixel_shuffle(self.box(features).float(), _SHUFFLE)
        return score[:, :1], score[:, 1:], boxes

    def forward(self, images: Tensor) -> DetectorOutput:
        """Letterboxed frames (B, 3, H, W) float RGB in [0, 1] to `DetectorOutput`."""
        hand, side, boxes = self.hand_and_side(images)
        log_p = F.logsigmoid(hand) + F.logsigmoid(torch.cat([side, -side], 1))
        return DetectorOutput(log_p - torch.log1p(-log_p.exp().clamp(max=1 - 1e-6)), boxes)
