# SPDX-License-Identifier: Apache-2.0
"""Rendered pictures to what the networks are asked, in batches."""

import torch
from torch import Tensor

from digit_core.hand_size import ADULT_HAND_SIZE_M
from digit_core.network.detector import STRIDE, UNIT_SIDE_PX
from digit_core.parts import LEFT_OFFSET, NUM_PARTS
from digit_core.skeleton import PUBLIC_FROM_NETWORK
from training.synth.picture import Pictures

DEPTH_RANGE_M = 0.2
#: Side of a heatmap cell, pixels.
CELL = 4
#: A hand is there if so much of it lies in the picture and shows, and absent if so little does.
PRESENT_SHARE = 0.6
_ABSENT_SHARE, _SEEN_SHARE = 0.2, 0.004
_LEAST_SIDE_PX, _LEAST_SEEN_PX, _LEAST_SEEN_SHARE = 8.0, 8.0, 0.06


def pose_targets(pictures: Pictures) -> dict[str, Tensor]:
    """What the pose network should say of n square crops of S pixels.

    Returns:
        joints (n, 42, 3): x, y in 0..1 of the crop (pixel centres) and root-relative depth where 1
        is 200 mm of a hand of ADULT_HAND_SIZE_M; valid (n, 42) bool, depth_known (n, 42) bool, of
        which joints the depth counts; visible (n, 42) bool; hands
        (n, 2) float presence and hands_known (n, 2) bool; root (n,) left minus right wrist depth, 1
        is 200 mm, and root_known (n,); parts (n, S/4, S/4) int64.
    """
    size = pictures.rgb.shape[1]
    # A crop does not show how big a hand is: depths are those of a hand of the reference size.
    cam = pictures.joints_cam_m * (ADULT_HAND_SIZE_M / pictures.size_m)[:, None, None, None]
    depth = (cam[..., 2:] - cam[..., :1, 2:]) / DEPTH_RANGE_M
    joints = torch.cat([(pictures.joints_px + 0.5) / size, depth], 3)
    joints = network_order(joints)
    inside = ((joints[..., :2] > 0) & (joints[..., :2] < 1)).all(2) & (joints[..., 2].abs() < 1)
    inside &= pictures.present.repeat_interleave(21, 1)
    share = inside.float().unflatten(1, (2, 21)).mean(2)
    seen = _seen_px(pictures.labels) / size**2
    present = (share > PRESENT_SHARE) & (seen > _SEEN_SHARE)
    absent = (share < _ABSENT_SHARE) & (seen < _SEEN_SHARE)
    valid = inside & present.repeat_interleave(21, 1)
    root = (cam[:, 1, 0, 2] - cam[:, 0, 0, 2]) / DEPTH_RANGE_M
    both = present.all(1)
    parts = pictures.labels[:, 1::CELL, 1::CELL]
    return {
        "joints": torch.where(valid[..., None], joints, 0.0),
        "valid": valid,
        "depth_known": valid,
        "visible": network_order(pictures.visible) & valid,
        "hands": present.float(),
        "hands_known": present | absent,
        "root": torch.where(both, root, 0.0),
        "root_known": both & (root.abs() < 1),
        "parts": torch.where(parts < NUM_PARTS, parts, 0).long(),
    }


def detector_targets(pictures: Pictures) -> dict[str, Tensor]:
    """What the detector should say of n frames (H, W), see `detector_maps`."""
    clear, _ = hands_in_view(pictures)
    size = (pictures.rgb.shape[1], pictures.rgb.shape[2])
    # Too small, hidden or cut off: nothing is asked for there.
    return detector_maps(
        pictures.joints_px, pictures.present & clear, pictures.present & ~clear, size
    )


def detector_maps(
    points: Tensor, asked: Tensor, doubtful: Tensor, size: tuple[int, int]
) -> dict[str, Tensor]:
    """What the detector should say of n pictures.

    Args:
        points: (n, K, 21, 2) joints of up to K hands, pixels.
        asked: (n, K) bool, hands that are to be found.
        doubtful: (n, K) bool, hands for which nothing is asked.
        size: (H, W) of the pictures.

    Returns:
        heat (n, 1, H/8, W/8), 1 at a hand's centre cell; ignore, same shape, bool; boxes
        (n, 3, H/8, W/8), see `DetectorOutput`, and weight (n, H/8, W/8).
    """
    height, width = (side // STRIDE for side in size)
    low, high = points.amin(2), points.amax(2)
    extent, centre = (high - low).amax(2), (low + high) / 2
    cell = (centre + 0.5) / STRIDE - 0.5
    ky = torch.arange(height, device=points.device)[:, None]
    kx = torch.arange(width, device=points.device)
    dx, dy = torch.broadcast_tensors(cell[..., 0, None, None] - kx, cell[..., 1, None, None] - ky)
    radius = (extent / STRIDE * 0.22).clamp(min=0.6)[..., None, None]
    bump = torch.exp(-(dx**2 + dy**2) / (2 * radius**2))
    ignore = doubtful[..., None, None] & (bump > 0.05)
    near_x, near_y = dx.abs() <= 0.5, dy.abs() <= 0.5
    heat = torch.where(asked[..., None, None], torch.where(near_x & near_y, 1.0, bump), 0.0)
    log_side = torch.log(extent.clamp(min=1) / UNIT_SIDE_PX)[..., None, None].expand_as(dx)
    nearest = heat.argmax(1, keepdim=True)[:, :, None].expand(-1, -1, 3, -1, -1)
    boxes = torch.stack([dx, dy, log_side], 2).gather(1, nearest)[:, 0]
    heat = heat.amax(1, keepdim=True)
    return {
        "heat": heat,
        "ignore": ignore.any(1, keepdim=True),
        "boxes": boxes,
        "weight": torch.where(heat[:, 0] > 0.4, heat[:, 0], 0.0),
    }


def hands_in_view(pictures: Pictures) -> tuple[Tensor, Tensor]:
    """Which hands (n, 2) show clearly, and of which nothing shows; the rest is doubtful."""
    points = pictures.joints_px
    extent = _extent(points)
    seen = _seen_px(pictures.labels)
    clear = clear_hands(points, (pictures.rgb.shape[1], pictures.rgb.shape[2]))
    clear &= seen >= torch.clamp(_LEAST_SEEN_SHARE * extent**2, min=_LEAST_SEEN_PX)
    return clear, seen == 0


def clear_hands(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Which hands (n, K), of joints (n, K, 21, 2), lie in pictures (H, W) and are large enough."""
    bounds = points.new_tensor([size[1], size[0]])
    inside = ((points > 0) & (points < bounds)).all(3).float().mean(2)
    return (inside >= 0.5) & (_extent(points) >= _LEAST_SIDE_PX)


def _extent(points: Tensor) -> Tensor:
    return (points.amax(2) - points.amin(2)).amax(2)


def network_order(hands: Tensor) -> Tensor:
    """(n, 42, ...) in network order of (n, 2, 21, ...) right and left in public order."""
    return hands[:, :, list(PUBLIC_FROM_NETWORK)].flatten(1, 2)


def _seen_px(labels: Tensor) -> Tensor:
    """How many pixels (n, 2) of each hand show."""
    return torch.stack(
        [((labels > o) & (labels <= o + LEFT_OFFSET)).sum((1, 2)) for o in (0, LEFT_OFFSET)], 1
    )
