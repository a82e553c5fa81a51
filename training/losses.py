# SPDX-License-Identifier: Apache-2.0
"""The five training losses of DIGIT (arXiv 2107.00434, section 3.4), and one for heatmaps.

DIGIT's losses never look at a heatmap, only at its mean, and `digit` answers by that mean.
`digit-lite` answers from a window about the likeliest place: its heatmaps need their peak at the
joint, which `heatmap_loss` asks for.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from digit_core.network.lite import CELL_CENTRE
from digit_core.network.output import DigitOutput
from training.interhand.items import Targets
from training.interhand.joints import BONES

BONES_WEIGHT = 0.1
PARTS_WEIGHT = 10.0
#: Weight of the heatmap loss by network, unless the user says otherwise.
HEATMAP_WEIGHTS = {"digit": 0.0, "digit-lite": 5.0}
HEATMAP_SIGMA = 1.25  # cells; 5 px of the patch
#: Where the centre of heatmap cell 0 lies, cells: as each network reads its heatmaps.
HEATMAP_ORIGINS = {"digit": 0.5, "digit-lite": CELL_CENTRE}


class LossTerms(NamedTuple):
    """Weighted terms, each a scalar; the training loss is their sum.

    Attributes:
        joints: mean absolute error in x, y and depth, cells.
        root_depth: mean absolute error, bins.
        presence: mean binary cross entropy of the two hands, nats.
        bones: 0.1 times the mean squared error of bone vectors, right plus left, square cells.
        parts: 10 times the mean cross entropy of the part labels, nats.
    """

    joints: Tensor
    root_depth: Tensor
    presence: Tensor
    bones: Tensor
    parts: Tensor

    def total(self) -> Tensor:
        """Sum of the terms."""
        return torch.stack(self).sum()


def loss_terms(output: DigitOutput, targets: Targets) -> LossTerms:
    """All terms of one batch. What is not valid counts as an error of zero, but is counted."""
    return LossTerms(
        joints=joint_loss(output.joints_25d, targets),
        root_depth=((output.root_depth - targets.root_depth).abs() * targets.root_valid).mean(),
        presence=presence_loss(output.hand_logits, targets),
        bones=BONES_WEIGHT * bone_loss(output.joints_25d, targets),
        parts=PARTS_WEIGHT * part_loss(output.part_logits, targets),
    )


def joint_loss(joints_25d: Tensor, targets: Targets) -> Tensor:
    """Mean over all B x 42 x 3 entries of the absolute error of valid joints (B, 42, 3)."""
    error = (joints_25d - targets.joints_25d).abs()
    return (error * targets.joint_valid.unsqueeze(-1)).mean()


def presence_loss(hand_logits: Tensor, targets: Targets) -> Tensor:
    """Binary cross entropy of (B, 2) logits, over the items whose hand type is known."""
    entropy = F.binary_cross_entropy_with_logits(hand_logits, targets.hands, reduction="none")
    return (entropy.mean(dim=1) * targets.hands_valid).mean()


def bone_loss(joints_25d: Tensor, targets: Targets) -> Tensor:
    """Squared error of bone vectors with two valid ends; means of the right and the left, added."""
    outer, inner = torch.from_numpy(BONES).to(joints_25d.device).unbind(-1)
    error = joints_25d - targets.joints_25d
    valid = targets.joint_valid[:, outer] * targets.joint_valid[:, inner]
    squares = (error[:, outer] - error[:, inner]).square() * valid.unsqueeze(-1)
    return squares.mean(dim=(0, 2, 3)).sum()


def part_loss(part_logits: Tensor, targets: Targets) -> Tensor:
    """Cross entropy of (B, 33, 128, 128) logits, mean over all pixels of all items."""
    entropy = F.cross_entropy(part_logits, targets.parts, reduction="none")
    return (entropy * targets.parts_valid[:, None, None]).mean()


def heatmap_loss(heatmaps: Tensor, targets: Targets, origin: float) -> Tensor:
    """Cross entropy between heatmaps and Gaussians about the true places.

    Args:
        heatmaps: (B, 42, H, W) scores before the softmax.
        targets: whose valid joints count; mean over all B x 42, as for the joints.
        origin: centre of cell 0, cells.
    """
    height, width = heatmaps.shape[-2:]
    x, y = targets.joints_25d[..., 0], targets.joints_25d[..., 1]
    wanted = _bell(y, height, origin).unsqueeze(-1) * _bell(x, width, origin).unsqueeze(-2)
    entropy = -(wanted.flatten(2) * heatmaps.flatten(2).log_softmax(dim=2)).sum(dim=2)
    return (entropy * targets.joint_valid).mean()


def _bell(centres: Tensor, cells: int, origin: float) -> Tensor:
    """(B, J, cells) Gaussians about (B, J) places, each of sum 1."""
    places = torch.arange(cells, device=centres.device, dtype=centres.dtype) + origin
    return (-0.5 * ((places - centres.unsqueeze(-1)) / HEATMAP_SIGMA).square()).softmax(dim=-1)
