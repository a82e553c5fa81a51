# SPDX-License-Identifier: Apache-2.0
"""Rendered picture to training crop and targets for the pose network."""

from dataclasses import dataclass

import cv2
import numpy as np

from digit_core.hand_size import ADULT_HAND_SIZE_M
from digit_core.parts import LEFT_OFFSET, NUM_PARTS, swap_sides
from digit_core.skeleton import network_from_public
from training.default_weights.photometric import cut_out, degrade, replace_background

DEPTH_RANGE_M = 0.2


@dataclass
class CropOptions:
    """How crops are drawn.

    Attributes:
        size: pixels of the square crop.
        only_right: single hands only, turned into right ones; the first stage of the curriculum.
        gentle: little rotation and fewer faults, to begin with.
        degrade: camera faults, cut-outs and exchanged backgrounds.
    """

    size: int = 128
    only_right: bool = False
    gentle: bool = False
    degrade: bool = True


def draw_crop(
    rgb, labels, truth, options: CropOptions, rng: np.random.Generator, background=None
) -> dict:
    """One training sample.

    Args:
        rgb, labels, truth: one item of `Samples` ("close-up").
        options: how.
        rng: source of all randomness.
        background: (H, W, 3) uint8 to put behind everything, or None.

    Returns:
        image (S, S, 3) uint8; joints (42, 3) float32: x, y in 0..1 of the crop (pixel centres) and
        root-relative depth where 1 is 200 mm of a hand of ADULT_HAND_SIZE_M; valid (42,) bool;
        hands (2,) float32 presence and hands_known (2,) bool; root (left minus right wrist depth,
        1 is 200 mm) and root_known; parts (S/2, S/2) uint8.
    """
    px = truth["joints_px"]
    # A crop does not show how big a hand is: depths are those of a hand of the reference size.
    cam = truth["joints_cam_m"] * (ADULT_HAND_SIZE_M / truth["size_m"])
    hands = _hands_to_frame(truth, rng)
    mirrored = rng.random() < 0.5 if not options.only_right else bool(np.isnan(px[0, 0, 0]))
    transform = _crop_transform(px[hands].reshape(-1, 2), options, rng, mirrored)
    size = options.size
    image = cv2.warpAffine(rgb, transform, (size, size), flags=cv2.INTER_LINEAR)
    if background is not None:
        drawn = cv2.warpAffine(labels, transform, (size, size), flags=cv2.INTER_NEAREST)
        image = replace_background(image, drawn, background)
    half = transform * 0.5 - np.array([[0, 0, 0.25], [0, 0, 0.25]])
    parts = cv2.warpAffine(labels, half, (size // 2, size // 2), flags=cv2.INTER_NEAREST)
    parts[parts >= NUM_PARTS] = 0
    points = px @ transform[:, :2].T + transform[:, 2]
    if mirrored:
        points, cam, parts = points[::-1], cam[::-1], swap_sides(parts)
    if options.degrade and (not options.gentle or rng.random() < 0.4):
        image = degrade(image, rng)
        if rng.random() < 0.12:
            image = cut_out(image, rng)
    return {"image": image, "parts": parts, **_targets(points, cam, parts, size)}


def _hands_to_frame(truth, rng: np.random.Generator) -> list[int]:
    """Indices of the hands that the crop is laid about."""
    there = [i for i in (0, 1) if not np.isnan(truth["joints_px"][i, 0, 0])]
    if len(there) == 1 or truth["focus"] < 2:
        return [int(truth["focus"])] if len(there) == 2 else there
    return there if rng.random() < 0.8 else [int(rng.integers(2))]


def _crop_transform(points, options: CropOptions, rng, mirrored: bool) -> np.ndarray:
    """Affine (2, 3) from picture to crop: the box 1.25 times as large, jittered and turned."""
    low, high = points.min(0), points.max(0)
    extent = (high - low).max()
    side = 1.25 * extent * np.exp(rng.uniform(-0.18, 0.36))
    centre = (low + high) / 2 + rng.normal(0, 0.06, 2) * extent
    turned = not options.gentle and rng.random() < 0.1
    a = (
        rng.uniform(-np.pi, np.pi)
        if turned
        else np.deg2rad(rng.normal(0, 8 if options.gentle else 18))
    )
    scale = options.size / side
    rotation = scale * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    if mirrored:
        rotation = rotation @ np.diag([-1.0, 1.0])
    return np.column_stack([rotation, (options.size - 1) / 2 - rotation @ centre])


def _targets(points, cam, parts, size: int) -> dict:
    xy = (points + 0.5) / size
    depth = (cam[..., 2:] - cam[:, :1, 2:]) / DEPTH_RANGE_M
    joints = network_from_public(*np.concatenate([xy, depth], axis=2))
    inside = ((joints[:, :2] > 0) & (joints[:, :2] < 1)).all(1) & (np.abs(joints[:, 2]) < 1)
    share = inside.reshape(2, 21).mean(1)
    # A hand mostly outside, or hidden, is neither there nor absent.
    seen = np.array([((parts > o) & (parts <= o + LEFT_OFFSET)).mean() for o in (0, LEFT_OFFSET)])
    present = (share > 0.6) & (seen > 0.004)
    absent = (share < 0.2) & (seen < 0.004)
    valid = inside & np.repeat(present, 21)
    root = (cam[1, 0, 2] - cam[0, 0, 2]) / DEPTH_RANGE_M if present.all() else 0.0
    return {
        "joints": np.where(valid[:, None], joints, 0).astype(np.float32),
        "valid": valid,
        "hands": present.astype(np.float32),
        "hands_known": present | absent,
        "root": np.float32(root),
        "root_known": bool(present.all() and abs(root) < 1),
    }
