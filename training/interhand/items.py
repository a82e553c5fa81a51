# SPDX-License-Identifier: Apache-2.0
"""From pictures with annotations to what the network is trained and tested on, by the batch."""

from typing import NamedTuple

import torch
from torch import Tensor

from digit_core.parts import LEFT_OFFSET
from training.interhand import heatmap_space, joints
from training.interhand.patch import PATCH_PX, PatchMaps, map_points, patch_maps
from training.interhand.warp import warp_linear, warp_nearest

LABEL_STEP = 2  # part labels are every second pixel of the patch


class Factors(NamedTuple):
    """How each item of a batch is varied; see `neutral_factors` and `draw_factors`.

    Attributes:
        shift: (B, 2) of the box, in its sides.
        scale: (B,) of the box's sides.
        rotation_deg: (B,) of the box.
        mirror: (B,) bool.
        color: (B, 3) factor on red, green, blue.
    """

    shift: Tensor
    scale: Tensor
    rotation_deg: Tensor
    mirror: Tensor
    color: Tensor


class Annotations(NamedTuple):
    """What is known of each picture of a batch, all pictures of one size.

    Attributes:
        boxes: (B, 4) float32 x, y, width, height, px, square and grown already.
        joints: (B, 42, 3) x, y in px, camera depth in mm.
        joint_valid: (B, 42) 0 or 1.
        hands: (B, 2) right and left there, 0 or 1.
        hands_valid: (B,) 0 or 1: `hands` is of use.
        labels_valid: (B,) 0 or 1: the label map is of use.
    """

    boxes: Tensor
    joints: Tensor
    joint_valid: Tensor
    hands: Tensor
    hands_valid: Tensor
    labels_valid: Tensor


class Targets(NamedTuple):
    """What the network should answer.

    Attributes:
        joints_25d: (B, 42, 3) cells.
        joint_valid: (B, 42).
        root_depth: (B, 1) bins, left wrist minus right.
        root_valid: (B, 1).
        hands: (B, 2).
        hands_valid: (B,).
        parts: (B, 128, 128) int64 labels, all 0 where not valid.
        parts_valid: (B,).
    """

    joints_25d: Tensor
    joint_valid: Tensor
    root_depth: Tensor
    root_valid: Tensor
    hands: Tensor
    hands_valid: Tensor
    parts: Tensor
    parts_valid: Tensor


def neutral_factors(count: int, device: torch.device | str = "cpu") -> Factors:
    """Factors that change nothing, as in validation and testing."""
    one = torch.ones(count, device=device)
    no = torch.zeros(count, dtype=torch.bool, device=device)
    return Factors(one.new_zeros(count, 2), one, one - 1, no, one.new_ones(count, 3))


def draw_factors(count: int, generator: torch.Generator) -> Factors:
    """DIGIT's variations, from one generator.

    Shift uniform within 0.15; scale 1 + 0.25 n with n normal, cut to +-1; rotation, for 60 %, 45 n
    degrees with n cut to +-2; half are mirrored; colours uniform in 0.8 to 1.2.
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    def normal(limit: float) -> Tensor:
        return torch.randn(count, generator=generator).clamp(-limit, limit)

    return Factors(
        shift=0.15 * (2 * uniform(count, 2) - 1),
        scale=1 + 0.25 * normal(1.0),
        rotation_deg=45 * normal(2.0) * (uniform(count) <= 0.6),
        mirror=uniform(count) <= 0.5,
        color=0.8 + 0.4 * uniform(count, 3),
    )


def maps_for(annotations: Annotations, factors: Factors, width_px: int | Tensor) -> PatchMaps:
    """The maps between picture (mirrored where asked) and patch; the boxes stay as they are."""
    boxes = annotations.boxes.float().clone()
    boxes[:, :2] += boxes[:, 2:] * factors.shift.float()
    return patch_maps(boxes, factors.scale, factors.rotation_deg, factors.mirror, width_px)


def make_images(pictures: Tensor, maps: PatchMaps, factors: Factors) -> Tensor:
    """(B, 3, H, W) uint8 RGB pictures to (B, 3, 256, 256) float32 in [0, 1]."""
    patches = warp_linear(_mirror(pictures, factors.mirror), maps.to_patch, PATCH_PX)
    colored = patches * factors.color[:, :, None, None]
    return colored.clamp(0, 255).float() / 255


def make_parts(labels: Tensor, maps: PatchMaps, factors: Factors, valid: Tensor) -> Tensor:
    """(B, H, W) uint8 labels of pictures to (B, 128, 128) int64 of patches, 0 where not valid."""
    labels = _mirror(labels, factors.mirror).unsqueeze(1)
    parts = warp_nearest(labels, maps.to_patch, PATCH_PX)[:, 0, ::LABEL_STEP, ::LABEL_STEP].long()
    parts = torch.where(factors.mirror[:, None, None], swap_sides(parts), parts)
    return parts * valid[:, None, None].long()


def swap_sides(labels: Tensor) -> Tensor:
    """Exchange right (1-16) and left (17-32) part labels; background stays. Any integer tensor."""
    shift = torch.where(labels > LEFT_OFFSET, -LEFT_OFFSET, LEFT_OFFSET)
    return torch.where(labels > 0, labels + shift.to(labels.dtype), labels)


def make_targets(
    annotations: Annotations,
    maps: PatchMaps,
    factors: Factors,
    parts: Tensor,
    width_px: int | Tensor,
) -> Targets:
    """Joints, depths and presence in the network's terms.

    Joints outside the patch or the depth box are not valid. The relative root depth is valid with
    two hands whose wrists are.
    """
    points, valid, hands = mirror_joints(annotations, factors.mirror, width_px)
    xy = map_points(points[..., :2], maps.to_patch)
    valid = valid * ((xy >= 0) & (xy < PATCH_PX)).all(dim=-1)
    wrists = points[:, joints.WRISTS, 2]
    root = heatmap_space.depth_to_cells(wrists[:, 1:] - wrists[:, :1])
    root_valid = (valid[:, joints.WRISTS] * hands).prod(dim=1, keepdim=True)
    cells = heatmap_space.to_cells(torch.cat((xy, points[..., 2:]), dim=-1))
    return Targets(
        joints_25d=cells,
        joint_valid=valid * heatmap_space.in_box(cells[..., 2]),
        root_depth=root,
        root_valid=root_valid * heatmap_space.in_box(root),
        hands=hands,
        hands_valid=annotations.hands_valid,
        parts=parts,
        parts_valid=annotations.labels_valid,
    )


def mirror_joints(
    annotations: Annotations, mirror: Tensor, width_px: int | Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Joints, validity and presence as in the mirrored picture, for the items that ask for it."""
    points, valid, hands = annotations.joints, annotations.joint_valid, annotations.hands
    other = points[:, joints.MIRRORED].clone()
    other[..., 0] = torch.as_tensor(width_px).view(-1, 1) - other[..., 0] - 1
    swapped = torch.where(mirror[:, None], valid[:, joints.MIRRORED], valid)
    return (
        torch.where(mirror[:, None, None], other, points),
        swapped,
        torch.where(mirror[:, None], hands.flip(1), hands),
    )


def _mirror(pictures: Tensor, mirror: Tensor) -> Tensor:
    where = mirror.view(-1, *[1] * (pictures.ndim - 1))
    return torch.where(where, pictures.flip(-1), pictures)
