# SPDX-License-Identifier: Apache-2.0
"""Losses of the default weights. Coordinates are normalised so that crops may have any size."""

import torch
import torch.nn.functional as F
from torch import Tensor

from digit_core.network.detector import DetectorOutput
from digit_core.network.output import DigitOutput

#: Standard deviation of the heatmap target, as a share of the crop's side.
_TARGET_SIGMA = 0.02
#: Of pixels of which nobody knows what part they show.
UNKNOWN_PART = -100


def pose_losses(output: DigitOutput, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weighted loss terms of one batch, see `targets.pose_targets`."""
    valid = batch["valid"].float()
    count = valid.sum().clamp(min=1)
    size = output.heatmaps.shape[-1]
    target = _gaussian(batch["joints"][..., :2], size)
    log_p = output.heatmaps.flatten(2).log_softmax(2)
    heat = -(target.flatten(2) * log_p).sum(2)
    # Cell centres are 0.375 + k cells where the normalised coordinate is (pixel + 0.5) / side.
    xy = (output.joints_25d[..., :2] + 0.125) / size
    z = output.joints_25d[..., 2] / 32 - 1
    place = (xy - batch["joints"][..., :2]).abs().sum(2)
    depth = (z - batch["joints"][..., 2]).abs() * batch["depth_known"].float()
    known = batch["hands_known"].float()
    hands = F.binary_cross_entropy_with_logits(output.hand_logits, batch["hands"], reduction="none")
    root = (output.root_depth[:, 0] / 32 - 1 - batch["root"]).abs() * batch["root_known"].float()
    return {
        "heat": (heat * valid).sum() / count,
        "place": 5.0 * (place * valid).sum() / count,
        "depth": 3.0 * depth.sum() / batch["depth_known"].float().sum().clamp(min=1),
        "hands": (hands * known).sum() / known.sum().clamp(min=1),
        "root": 1.0 * root.sum() / batch["root_known"].float().sum().clamp(min=1),
        "parts": 0.7 * part_loss(output.part_logits, batch["parts"]),
    }


def part_loss(logits: Tensor, parts: Tensor) -> Tensor:
    """Cross entropy at stride 4, logits (B, 33, S/4, S/4); background weighs a third.

    Pixels that are UNKNOWN_PART do not count.
    """
    # Made on the device: a captured graph may not copy from the host.
    weight = torch.ones_like(logits[0, :, 0, 0])
    weight[:1].fill_(0.33)
    loss = F.cross_entropy(logits, parts, weight, ignore_index=UNKNOWN_PART, reduction="none")
    known = parts >= 0
    return loss.sum() / (known * weight[parts.clamp(min=0)]).sum().clamp(min=1e-6)


def detector_losses(output: DetectorOutput, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Loss terms of the detector, see `targets.detector_targets`.

    Focal loss for hands (Lin et al. 2017, as CenterNet uses it), L1 for the boxes.
    """
    heat, ignore = batch["heat"], batch["ignore"]
    p = output.score_logits.sigmoid().clamp(1e-5, 1 - 1e-5)
    positive = heat >= 0.999
    found = -torch.log(p) * (1 - p) ** 2 * positive
    wrong = -torch.log(1 - p) * p**2 * (1 - heat) ** 4 * (~positive & ~ignore)
    weight = batch["weight"][:, None]
    error = (output.boxes - batch["boxes"]).abs() * weight
    return {
        "score": (found.sum() + wrong.sum()) / positive.sum().clamp(min=1),
        "boxes": error.sum() / weight.sum().clamp(min=1),
    }


def _gaussian(xy: Tensor, size: int) -> Tensor:
    """Normalised Gaussians (B, J, size, size) about xy (B, J, 2) in 0..1."""
    grid = (torch.arange(size, device=xy.device, dtype=xy.dtype) + 0.5) / size
    gx = torch.exp(-0.5 * ((grid - xy[..., :1]) / _TARGET_SIGMA) ** 2)
    gy = torch.exp(-0.5 * ((grid - xy[..., 1:]) / _TARGET_SIGMA) ** 2)
    g = gy[..., :, None] * gx[..., None, :]
    return g / g.sum((2, 3), keepdim=True).clamp(min=1e-6)
