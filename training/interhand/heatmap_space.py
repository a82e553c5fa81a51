# SPDX-License-Identifier: Apache-2.0
"""Patch pixels and millimetres to the network's 64 cells an axis, and back to the picture and 3D.

x and y are patch pixels over 4. The depth axis is a box of 400 mm about the wrist of the joint's
own hand: z = ((depth - wrist's depth) / 200 + 1) / 2 x 64. The left wrist's depth minus the right
one's uses the same formula.
"""

import torch
from torch import Tensor

from training.interhand import joints
from training.interhand.cameras import pixel_to_camera
from training.interhand.patch import PATCH_PX, map_points

CELLS = 64
DEPTH_BOX_MM = 400
CELL_PX = PATCH_PX / CELLS


def depth_to_cells(depth_mm: Tensor) -> Tensor:
    """Relative depth in mm to cells; 0 mm is cell 32."""
    return (depth_mm / (DEPTH_BOX_MM / 2) + 1) / 2 * CELLS


def cells_to_depth(cells: Tensor) -> Tensor:
    """Inverse of `depth_to_cells`: mm."""
    return (cells / CELLS * 2 - 1) * (DEPTH_BOX_MM / 2)


def in_box(cells: Tensor) -> Tensor:
    """True where a depth in cells lies in the box."""
    return (cells >= 0) & (cells < CELLS)


def to_cells(patch_joints: Tensor) -> Tensor:
    """Patch pixels and camera depth to 2.5D cells.

    Args:
        patch_joints: (B, 42, 3) x, y in patch px, camera depth in mm.

    Returns:
        (B, 42, 3) cells.
    """
    wrists = per_joint(patch_joints[:, joints.WRISTS, 2])
    depth = depth_to_cells(patch_joints[..., 2] - wrists)
    return torch.cat((patch_joints[..., :2] / CELL_PX, depth.unsqueeze(-1)), dim=-1)


def to_picture(cells: Tensor, maps: Tensor) -> Tensor:
    """2.5D cells to picture pixels and root-relative depth.

    Args:
        cells: (B, 42, 3).
        maps: (B, 2, 3) from patch to picture (`PatchMaps.to_picture`).

    Returns:
        (B, 42, 3) x, y in px, depth minus the wrist's in mm.
    """
    depth = cells_to_depth(cells[..., 2:])
    return torch.cat((map_points(cells[..., :2] * CELL_PX, maps), depth), dim=-1)


def to_camera(
    cells: Tensor,
    maps: Tensor,
    wrist_depth_mm: Tensor,
    focal: Tensor,
    center: Tensor,
    mirrored: Tensor | None = None,
) -> Tensor:
    """2.5D cells to camera space with given depths of the wrists.

    Args:
        cells: (B, 42, 3).
        maps: (B, 2, 3) from patch to picture.
        wrist_depth_mm: (B, 2) right, left, in the unmirrored picture.
        focal: (B, 2) px.
        center: (B, 2) principal point, px.
        mirrored: (B,) bool: the items that were mirrored, whose hands have changed places. Their
            x is that of the mirrored picture.

    Returns:
        (B, 42, 3) camera, mm.
    """
    if mirrored is not None:
        wrist_depth_mm = torch.where(mirrored[:, None], wrist_depth_mm.flip(1), wrist_depth_mm)
    points = to_picture(cells, maps)
    depth = points[..., 2:] + per_joint(wrist_depth_mm).unsqueeze(-1)
    return pixel_to_camera(torch.cat((points[..., :2], depth), dim=-1), focal, center)


def per_joint(of_hands: Tensor) -> Tensor:
    """(B, 2) values of the right and the left hand to (B, 42), one for each joint."""
    return of_hands.repeat_interleave(joints.PER_HAND, dim=1)
