# SPDX-License-Identifier: Apache-2.0
"""Rendered picture to a training frame and targets for the detector."""

import cv2
import numpy as np

from digit_core.network.detector import STRIDE, UNIT_SIDE_PX
from digit_core.parts import LEFT_OFFSET
from training.default_weights.photometric import cut_out, degrade, replace_background


def draw_frame(rgb, labels, truth, size: int, rng: np.random.Generator, background=None) -> dict:
    """One training sample for the detector.

    Returns:
        image (S, S, 3) uint8; heat (2, S/8, S/8) float32, 1 at a hand's centre cell; ignore, same
        shape, bool; boxes (3, S/8, S/8) and weight (S/8, S/8), see `DetectorOutput`.
    """
    transform, mirrored = _letterbox_jitter(rgb.shape, size, rng)
    image = cv2.warpAffine(
        rgb,
        transform,
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(127, 127, 127),
    )
    label = cv2.warpAffine(labels, transform, (size, size), flags=cv2.INTER_NEAREST)
    if background is not None:
        image = replace_background(image, label, background)
    points = truth["joints_px"] @ transform[:, :2].T + transform[:, 2]
    seen = np.array([((label > o) & (label <= o + LEFT_OFFSET)).sum() for o in (0, LEFT_OFFSET)])
    if mirrored:
        points, seen = points[::-1], seen[::-1]
    image = degrade(image, rng)
    if rng.random() < 0.1:
        image = cut_out(image, rng)
    return {"image": image, **_targets(points, seen, size)}


def _letterbox_jitter(shape, size: int, rng) -> tuple[np.ndarray, bool]:
    h, w = shape[:2]
    scale = size / max(h, w) * np.exp(rng.uniform(-0.35, 0.45))
    a = np.deg2rad(rng.normal(0, 8) if rng.random() < 0.93 else rng.uniform(-180, 180))
    rotation = scale * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    mirrored = rng.random() < 0.5
    if mirrored:
        rotation = rotation @ np.diag([-1.0, 1.0])
    centre = np.array([(w - 1) / 2, (h - 1) / 2]) + rng.normal(0, 0.08, 2) * (w, h)
    return np.column_stack([rotation, (size - 1) / 2 - rotation @ centre]), mirrored


def _targets(points, seen, size: int) -> dict:
    cells = size // STRIDE
    heat = np.zeros((2, cells, cells), np.float32)
    ignore = np.zeros((2, cells, cells), bool)
    boxes, weight = np.zeros((3, cells, cells), np.float32), np.zeros((cells, cells), np.float32)
    ky, kx = np.mgrid[:cells, :cells]
    for side in range(2):
        if np.isnan(points[side, 0, 0]):
            continue
        low, high = points[side].min(0), points[side].max(0)
        extent, centre = (high - low).max(), (low + high) / 2
        inside = ((points[side] > 0) & (points[side] < size)).all(1).mean()
        cx, cy = (centre + 0.5) / STRIDE - 0.5
        radius = max(extent / STRIDE * 0.22, 0.6)
        bump = np.exp(-((kx - cx) ** 2 + (ky - cy) ** 2) / (2 * radius**2)).astype(np.float32)
        # Too small, hidden or cut off: nothing is asked for there.
        if inside < 0.5 or seen[side] < max(12.0, 0.06 * extent**2) or extent < 10:
            ignore[side] |= bump > 0.05
            continue
        near = (int(round(min(max(cy, 0), cells - 1))), int(round(min(max(cx, 0), cells - 1))))
        bump[near] = 1.0
        heat[side] = np.maximum(heat[side], bump)
        stronger = bump > weight
        here = stronger & (bump > 0.4)
        weight[here] = bump[here]
        target = np.stack(
            [cx - kx, cy - ky, np.full_like(kx, np.log(extent / UNIT_SIDE_PX), float)]
        )
        boxes[:, here] = target[:, here]
    return {"heat": heat, "ignore": ignore, "boxes": boxes, "weight": weight}
