# SPDX-License-Identifier: Apache-2.0
"""Pinhole cameras of InterHand2.6M, a batch at a time: world, camera and picture.

Millimetres and pixels; x right, y down, z forward. All tensors of a call share dtype and device.
"""

import torch
from torch import Tensor

#: Keeps a point in the camera's plane finite; without effect anywhere else.
NEAR_MM = 1e-8


def world_to_camera(points: Tensor, rotation: Tensor, position: Tensor) -> Tensor:
    """Camera coordinates R (p - c).

    Args:
        points: (B, N, 3) world, mm.
        rotation: (B, 3, 3) `camrot`.
        position: (B, 3) `campos`, the camera's place in the world, mm.

    Returns:
        (B, N, 3) camera, mm.
    """
    return (points - position.unsqueeze(1)) @ rotation.transpose(1, 2)


def camera_to_world(points: Tensor, rotation: Tensor, position: Tensor) -> Tensor:
    """Inverse of `world_to_camera`; the rotation is inverted, not transposed, as files round it."""
    return points @ torch.linalg.inv(rotation).transpose(1, 2) + position.unsqueeze(1)


def camera_to_pixel(points: Tensor, focal: Tensor, center: Tensor) -> Tensor:
    """Project camera points.

    Args:
        points: (B, N, 3) camera, mm.
        focal: (B, 2) focal lengths, px.
        center: (B, 2) principal points, px.

    Returns:
        (B, N, 3): x, y in px and the depth in mm as it came.
    """
    depth = points[..., 2:]
    xy = points[..., :2] / (depth + NEAR_MM) * focal.unsqueeze(1) + center.unsqueeze(1)
    return torch.cat((xy, depth), dim=-1)


def pixel_to_camera(points: Tensor, focal: Tensor, center: Tensor) -> Tensor:
    """Inverse of `camera_to_pixel`: (B, N, 3) px, px, mm to (B, N, 3) mm."""
    depth = points[..., 2:]
    xy = (points[..., :2] - center.unsqueeze(1)) / focal.unsqueeze(1) * depth
    return torch.cat((xy, depth), dim=-1)
