# SPDX-License-Identifier: Apache-2.0
"""From the person's frame to a camera's picture: where the camera stands, and its window."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from training.synth.draws import Draws
from training.synth.pairs import Pairs
from training.synth.rotations import axis_angle, cross, unit

_NEAREST_M = 0.12


@dataclass
class Camera:
    """n pinhole cameras with two radial coefficients.

    A point (x, y, z) is seen at focal * d * (x, y) / z + centre, d = 1 + k1 r^2 + k2 r^4 and r the
    distance of (x, y) / z from the axis: OpenCV's model. (0, 0) is the first pixel's centre.

    Attributes:
        focal: (n,) pixels.
        centre: (n, 2) pixels.
        radial: (n, 2).
    """

    focal: Tensor
    centre: Tensor
    radial: Tensor

    def project(self, points: Tensor) -> Tensor:
        """Pixels (n, ..., 2) of points (n, ..., 3) in the camera frame."""
        shape = (-1, *[1] * (points.ndim - 2), 1)
        xy = points[..., :2] / points[..., 2:].clamp(min=1e-3)
        r2 = xy.square().sum(-1, keepdim=True).clamp(max=4.0)
        k1, k2 = self.radial[:, 0].view(shape), self.radial[:, 1].view(shape)
        bent = xy * (1 + r2 * (k1 + r2 * k2))
        return bent * self.focal.view(shape) + self.centre.view(*shape[:-1], 2)


def random_rotations(draws: Draws, n: int) -> Tensor:
    """Rotations (n, 3, 3) from the person's frame to the camera's.

    Facing the person, over their shoulders, or from anywhere.
    """
    device = draws.device
    kind = draws.kinds((0.45, 0.25, 0.3), n)
    front = (draws.normal(math.pi, 0.5, n), draws.normal(0.05, 0.3, n))
    own_eyes = (draws.normal(0.0, 0.4, n), draws.normal(0.7, 0.35, n))
    anywhere = (draws.uniform(0.0, 2 * math.pi, n), torch.asin(draws.uniform(-0.8, 1.0, n)))
    azimuth, elevation = (
        torch.where(kind == 0, a, torch.where(kind == 1, b, c))
        for a, b, c in zip(front, own_eyes, anywhere, strict=True)
    )
    z = -torch.stack(
        [
            torch.sin(azimuth) * torch.cos(elevation),
            torch.sin(elevation),
            torch.cos(azimuth) * torch.cos(elevation),
        ],
        1,
    )
    x = unit(cross(z, torch.tensor([0.0, 1.0, 1e-4], device=device).expand(n, 3)))
    rotation = torch.stack([x, cross(z, x), z], 1)
    turned = draws.uniform(-math.pi, math.pi, n)
    roll = torch.where(draws.chance(0.15, n), turned, draws.normal(0.0, 0.28, n))
    forward = torch.tensor([0.0, 0.0, 1.0], device=device).expand(n, 3)
    return axis_angle(forward, roll) @ rotation


def seen_from(pairs: Pairs, rotation: Tensor, shift_to: Tensor) -> Pairs:
    """The pairs in a camera's frame: turned by (n, 3, 3), the middle of their hands at (n, 3)."""
    both = pairs.present.float()[..., None, None]
    middle = (pairs.arms.joints * both).sum((1, 2)) / (21 * both.sum((1, 2)).clamp(min=1))
    translation = shift_to - (rotation @ middle[..., None])[..., 0]
    arms = pairs.arms.transformed(rotation[:, None], translation[:, None])
    return Pairs(pairs.shapes, arms, pairs.present, pairs.interacting)


def off_axis(draws: Draws, joints: Tensor, seen: Tensor) -> Tensor:
    """Shifts (n, 3) that put hands anywhere in a wide camera's view, and not too near.

    Args:
        draws: source of randomness.
        joints: (n, N, 3) camera frame.
        seen: (n, N) bool, the joints that count.
    """
    n = len(joints)
    z = joints[..., 2]
    distance = (z * seen).sum(1) / seen.sum(1).clamp(min=1)
    half = torch.tan(torch.deg2rad(draws.uniform(20.0, 42.0, n)))
    offset = draws.uniform(-0.8, 0.8, n, 2) * torch.stack([half, 0.7 * half], 1)
    nearest = torch.where(seen, z, 9.0).amin(1)
    back = (_NEAREST_M - nearest).clamp(min=0)
    return torch.cat([offset * distance[:, None], back[:, None]], 1)


def window(
    joints: Tensor, seen: Tensor, radial: Tensor, size: int, margin: Tensor, moved: Tensor
) -> Camera:
    """Cameras whose square pictures show the joints that are seen.

    Args:
        joints: (n, N, 3) camera frame.
        seen: (n, N) bool.
        radial: (n, 2) distortion.
        size: pixels.
        margin: (n,) the picture's side over the longer side of the joints' box.
        moved: (n, 2) by how much of the picture's side the box's middle is off.
    """
    n, device = len(joints), joints.device
    plain = Camera(torch.ones(n, device=device), torch.zeros(n, 2, device=device), radial)
    xy = plain.project(joints)
    low = torch.where(seen[..., None], xy, 1e9).amin(1)
    high = torch.where(seen[..., None], xy, -1e9).amax(1)
    focal = size / (margin * (high - low).amax(1).clamp(min=1e-4))
    middle = (size - 1) / 2 + moved * size
    return Camera(focal, middle - focal[:, None] * (low + high) / 2, radial)


def wide(draws: Draws, n: int, width: int, height: int, radial: Tensor) -> Camera:
    """Cameras as they are built: a field of view of 38 to 85 degrees, centred."""
    fov = torch.deg2rad(draws.uniform(38.0, 85.0, n))
    focal = max(width, height) / 2 / torch.tan(fov / 2)
    centre = torch.tensor([(width - 1) / 2, (height - 1) / 2], device=draws.device)
    return Camera(focal, centre.expand(n, 2), radial)
