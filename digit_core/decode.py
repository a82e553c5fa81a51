# SPDX-License-Identifier: Apache-2.0
"""From a network's answer to positions in the image, with what the heatmaps say about trust."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from digit_core.crop import PATCH, Crop
from digit_core.network.output import DigitOutput
from digit_core.skeleton import SIDES, public_from_network

CELLS = 64
PX_PER_CELL = PATCH // CELLS
#: The 64 depth cells span this much around the wrist.
DEPTH_SPAN_M = 0.4
#: A joint's confidence is its heatmap's mass within so many cells of its mean: about a tenth of the
#: hand's box, whose longer side fills 64 / 1.4 cells of its crop.
WINDOW_CELLS = 5.0
#: A difference between the wrists this near the end of its range is clipped, not measured.
_ROOT_EDGE_CELLS = 1.5
_LEAST_CONFIDENCE = 1e-3
#: No heatmap tells more than the cell: standard deviation of a uniform cell.
_CELL_VARIANCE = 1.0 / 12.0


@dataclass(frozen=True)
class Calibration:
    """What makes a network's own confidences honest; fitted on renders, kept with its weights.

    A joint's deviation is sigma_gain * spread ** sigma_power, `spread` being its heatmap's and both
    in cells. The log-odds that a hand is there are presence_weight * its presence logit +
    sharpness_weight * ln(mean confidence of its joints) + offset: presence alone is as sure of a
    cup's handle, whose "joints" have blurred heatmaps. The defaults leave everything as it is.
    """

    sigma_gain: float = 1.0
    sigma_power: float = 1.0
    presence_weight: float = 1.0
    sharpness_weight: float = 0.0
    offset: float = 0.0

    def sigma(self, spread: np.ndarray) -> np.ndarray:
        """Standard deviations of spreads, cells, any shape."""
        return self.sigma_gain * np.asarray(spread) ** self.sigma_power

    def hand_logit(self, presence_logit: np.ndarray, joint_confidence: np.ndarray) -> np.ndarray:
        """Log-odds (...) that hands are there, of logits (...) and their joints (..., 21)."""
        mean = np.maximum(joint_confidence.mean(axis=-1), _LEAST_CONFIDENCE)
        return np.asarray(
            self.presence_weight * presence_logit
            + self.sharpness_weight * np.log(mean)
            + self.offset
        )


NOT_CALIBRATED = Calibration()


@dataclass(frozen=True)
class Reading:
    """What the network says about one crop, in the image's pixels and metres.

    The first axis is the network's own opinion of the side: 0 right, 1 left. Public joint order.

    Attributes:
        crop: where it looked.
        joints_2d: (2, 21, 2) float64 image pixels.
        depth_m: (2, 21) float64, relative to each hand's own wrist, within 0.2 m of it.
        sigma_px: (2, 21) float64 image pixels, one axis.
        joint_confidence: (2, 21) float64.
        presence_logit: (2,) float64.
        left_minus_right_m: wrist depths' difference; NaN at the ends of its range.
        part_logits: (33, h, w) tensor, on the network's device; `segmentation.paint` enlarges it.
        calibration: of the network.
    """

    crop: Crop
    joints_2d: np.ndarray
    depth_m: np.ndarray
    sigma_px: np.ndarray
    joint_confidence: np.ndarray
    presence_logit: np.ndarray
    left_minus_right_m: float
    part_logits: Tensor
    calibration: Calibration = NOT_CALIBRATED

    @property
    def hand_logit(self) -> np.ndarray:
        """(2,) log-odds that each hand is there, calibrated."""
        return self.calibration.hand_logit(self.presence_logit, self.joint_confidence)


def metres_from_cells(cells: np.ndarray) -> np.ndarray:
    """Relative depth in cells [0, 64] to metres [-0.2, 0.2]: (2 z / 64 - 1) * 0.2."""
    return (np.asarray(cells, dtype=np.float64) / CELLS - 0.5) * DEPTH_SPAN_M


def heatmap_spread(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Standard deviation and concentration of each heatmap's softmax.

    Args:
        heatmaps: (B, J, 64, 64) scores.

    Returns:
        sigma: (B, J) cells, root mean square of both axes' standard deviations.
        mass: (B, J) probability within WINDOW_CELLS of the mean on both axes.
    """
    p = heatmaps.float().flatten(2).softmax(dim=2).view(heatmaps.shape)
    cell = torch.arange(p.shape[-1], dtype=p.dtype, device=p.device)
    rows, columns = p.sum(dim=3), p.sum(dim=2)
    from_x = cell - (columns @ cell)[..., None]
    from_y = cell - (rows @ cell)[..., None]
    variance = ((columns * from_x**2).sum(-1) + (rows * from_y**2).sum(-1)) / 2
    near_x = (from_x.abs() <= WINDOW_CELLS).to(p.dtype)
    near_y = (from_y.abs() <= WINDOW_CELLS).to(p.dtype)
    mass = ((p @ near_x[..., None])[..., 0] * near_y).sum(-1)
    return variance.clamp(min=_CELL_VARIANCE).sqrt(), mass.clamp(0.0, 1.0)


def pack(output: DigitOutput) -> Tensor:
    """All that is read of a batch but its part logits, on the network's device: (B, N) float32.

    Five numbers a joint (x, y, depth, sigma, mass), then root depth and the two presence logits.
    """
    sigma, mass = heatmap_spread(output.heatmaps)
    joints = torch.cat([output.joints_25d.float(), sigma[..., None], mass[..., None]], dim=2)
    return torch.cat(
        [joints.flatten(1), output.root_depth.float(), output.hand_logits.float()], dim=1
    )


def read(output: DigitOutput, crops: Sequence[Crop]) -> list[Reading]:
    """Decode a batch: one small download, then numpy.

    Args:
        output: of B crops.
        crops: the B crops.

    Returns:
        B readings.
    """
    return unpack(pack(output).cpu().numpy(), output.part_logits, crops)


def unpack(
    packed: np.ndarray,
    part_logits: Tensor,
    crops: Sequence[Crop],
    calibration: Calibration = NOT_CALIBRATED,
) -> list[Reading]:
    """Readings of `pack`'s numbers.

    Args:
        packed: (B, N), in host memory.
        part_logits: (B, 33, h, w), on any device.
        crops: the B crops.
        calibration: of the network.

    Returns:
        B readings.
    """
    return [
        _reading(crop, row[:-3].reshape(-1, 5), row[-3:], parts, calibration)
        for crop, row, parts in zip(crops, packed.astype(np.float64), part_logits, strict=True)
    ]


def _reading(
    crop: Crop, joints: np.ndarray, whole: np.ndarray, parts: Tensor, calibration: Calibration
) -> Reading:
    hands = np.stack([public_from_network(joints, side) for side in SIDES])
    px = PX_PER_CELL * crop.px_per_patch_px
    root = whole[0]
    measured = _ROOT_EDGE_CELLS < root < CELLS - 1 - _ROOT_EDGE_CELLS
    return Reading(
        crop=crop,
        joints_2d=crop.to_image(hands[..., :2] * PX_PER_CELL),
        depth_m=metres_from_cells(np.clip(hands[..., 2], 0, CELLS)),
        sigma_px=calibration.sigma(hands[..., 3]) * px,
        joint_confidence=hands[..., 4],
        presence_logit=whole[1:],
        left_minus_right_m=float(metres_from_cells(root)) if measured else float("nan"),
        part_logits=parts,
        calibration=calibration,
    )
