# SPDX-License-Identifier: Apache-2.0
"""The square patch that the network sees: its box, and the affine maps to it and back.

OpenCV reads pictures at 32nds of a pixel, so the last bit of a matrix decides grey levels.
Matrices are therefore rounded to float32 at the same places as in the DIGIT release.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

PATCH_PX = 256
MARGIN = 1.25


class PatchMaps(NamedTuple):
    """Affine maps (B, 2, 3) float32 between picture and patch, both in pixels."""

    to_patch: Tensor
    to_picture: Tensor


def square_boxes(boxes: Tensor, margin: float = MARGIN) -> Tensor:
    """Square about each box's centre with `margin` times its longer side.

    Args:
        boxes: (B, 4) x, y, width, height, px.
        margin: growth of the side.

    Returns:
        (B, 4) x, y, width, height, px.
    """
    center = boxes[:, :2] + boxes[:, 2:] / 2
    side = boxes[:, 2:].amax(dim=1, keepdim=True).expand(-1, 2) * margin
    return torch.cat((center - side / 2, side), dim=1)


def patch_maps(
    boxes: Tensor,
    scale: Tensor,
    rotation_deg: Tensor,
    mirror: Tensor,
    width_px: int | Tensor,
) -> PatchMaps:
    """Maps between a picture (mirrored first where asked) and the patch of its box.

    Args:
        boxes: (B, 4) float32 x, y, width, height in the unmirrored picture, px.
        scale: (B,) factor on the box's sides.
        rotation_deg: (B,) turn of the box in the picture, clockwise as seen.
        mirror: (B,) bool: the picture is mirrored left to right before all else.
        width_px: width of the pictures, one or (B,).

    Returns:
        Maps for the picture as mirrored.
    """
    boxes = boxes.float()
    center = (boxes[:, :2] + 0.5 * boxes[:, 2:]).double()
    center[:, 0] = torch.where(mirror, width_px - center[:, 0] - 1, center[:, 0])
    half = (boxes[:, 2:].double() * scale.double()[:, None] * 0.5).float()
    angle = math.pi * rotation_deg.double() / 180
    axes = _turned_axes(half.double(), angle)
    corners = torch.cat((torch.zeros_like(axes[:, :1]), axes), dim=1) + center.float()[:, None]
    middle = PATCH_PX / 2
    patch = corners.new_tensor([[middle, middle], [middle, PATCH_PX], [PATCH_PX, middle]])
    patch = patch.expand_as(corners)
    return PatchMaps(affine_through(corners, patch), affine_through(patch, corners))


def affine_through(source: Tensor, target: Tensor) -> Tensor:
    """The maps (B, 2, 3) float32 that take three points (B, 3, 2) float32 to three others."""
    ones = torch.ones_like(source[..., :1])
    solved = torch.linalg.solve(torch.cat((source, ones), dim=-1).double(), target.double())
    return solved.transpose(1, 2).float()


def map_points(points: Tensor, maps: Tensor) -> Tensor:
    """Apply (B, 2, 3) maps to (B, N, 2) points, in the points' dtype."""
    maps = maps.to(points.dtype).unsqueeze(1)
    x, y = points[..., :1], points[..., 1:]
    return torch.addcmul(torch.addcmul(maps[..., 2], x, maps[..., 0]), y, maps[..., 1])


def _turned_axes(half: Tensor, angle: Tensor) -> Tensor:
    """(B, 2, 2) float32: half the box downward, then half of it to the right, both turned."""
    sine, cosine = angle.sin(), angle.cos()
    down = torch.stack((-half[:, 1] * sine, half[:, 1] * cosine), dim=1)
    right = torch.stack((half[:, 0] * cosine, half[:, 0] * sine), dim=1)
    return torch.stack((down, right), dim=1).float()
