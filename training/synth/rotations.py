# SPDX-License-Identifier: Apache-2.0
"""Batched vectors and rotations; the last axes are (3,) and (3, 3)."""

import torch
from torch import Tensor


def unit(v: Tensor) -> Tensor:
    """Vectors (..., 3) of length one."""
    return v / v.norm(dim=-1, keepdim=True).clamp(min=1e-9)


def cross(a: Tensor, b: Tensor) -> Tensor:
    """Cross product of (..., 3), broadcast."""
    a, b = torch.broadcast_tensors(a, b)
    return torch.linalg.cross(a, b)


def axis_angle(axis: Tensor, angle: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) about unit axes (..., 3) by angles (...) (Rodrigues)."""
    x, y, z = axis.unbind(-1)
    o = torch.zeros_like(x)
    k = torch.stack([o, -z, y, z, o, -x, -y, x, o], dim=-1).unflatten(-1, (3, 3))
    s, c = torch.sin(angle)[..., None, None], torch.cos(angle)[..., None, None]
    return torch.eye(3, device=axis.device) + s * k + (1 - c) * (k @ k)


def apply(rotation: Tensor, points: Tensor) -> Tensor:
    """Rotate points (..., N, 3) by (..., 3, 3)."""
    return points @ rotation.transpose(-1, -2)


def frame(y: Tensor, near_z: Tensor) -> Tensor:
    """Right-handed frames (..., 3, 3), columns: the given y, and z as near `near_z` as may be."""
    z = near_z - (near_z * y).sum(-1, keepdim=True) * y
    lost = z.norm(dim=-1, keepdim=True) < 1e-4
    z = unit(torch.where(lost, cross(y, y.new_tensor([1.0, 0.3, 0.2])), z))
    return torch.stack([cross(y, z), y, z], dim=-1)
