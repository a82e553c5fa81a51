# SPDX-License-Identifier: Apache-2.0
"""From what was measured in the image to a `Hand` in metres."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from digit_core.camera import Camera
from digit_core.depth import RootDepth, metres_per_pixel, reconcile, root_depth
from digit_core.hand_size import HandScale
from digit_core.hands import DepthSource, Hand
from digit_core.orientation import wrist_quaternion
from digit_core.pair import Sighting
from digit_core.skeleton import NUM_JOINTS, SIDES, WRIST

#: A flat heatmap has 0.024 of its mass near its mean. Less means a mean between two far places,
#: where no joint is; more is a guess that its confidence and sigma describe.
MIN_JOINT_CONFIDENCE = 0.01


@dataclass(frozen=True)
class Measurement:
    """One hand as the network measured it: 2.5D.

    Attributes:
        side, confidence: as in `Hand`.
        joints_2d: (21, 2) float64 image pixels.
        depth_m: (21,) float64 relative to the wrist, metres for a hand of the scale's size.
        joint_confidence: (21,).
        sigma_px: (21,) image pixels.
        valid: (21,) bool.
        box: (4,) the crop it was seen in.
    """

    side: str
    confidence: float
    joints_2d: np.ndarray
    depth_m: np.ndarray
    joint_confidence: np.ndarray
    sigma_px: np.ndarray
    valid: np.ndarray
    box: np.ndarray


def measure(
    sighting: Sighting, scale: HandScale, min_confidence: float = MIN_JOINT_CONFIDENCE
) -> Measurement:
    """Take one hand's joints out of a reading; depths scaled to the hand's size."""
    reading, i = sighting.reading, sighting.channel
    joints, depth = reading.joints_2d[i], reading.depth_m[i] * scale.depth_factor
    confidence = reading.joint_confidence[i]
    valid = np.isfinite(joints).all(axis=1) & np.isfinite(depth) & (confidence >= min_confidence)
    # Everything hangs on the wrist: it is the network's best guess as long as it is a number.
    valid[WRIST] = np.isfinite(joints[WRIST]).all()
    depth = depth.copy()
    depth[WRIST] = 0.0
    return Measurement(
        side=sighting.side,
        confidence=sighting.confidence,
        joints_2d=joints,
        depth_m=depth,
        joint_confidence=confidence,
        sigma_px=reading.sigma_px[i],
        valid=valid,
        box=reading.crop.box,
    )


def wrist_depths(
    measured: Mapping[str, Measurement],
    camera: Camera | None,
    scale: HandScale,
    left_minus_right_m: float = float("nan"),
) -> dict[str, RootDepth]:
    """Each wrist's depth by hand size, two hands reconciled with their measured difference.

    Args:
        measured: by side.
        camera: intrinsics; without them nothing is known.
        scale: the hands' size.
        left_minus_right_m: the network's difference as it told it; NaN without.

    Returns:
        By side; a hand whose depth cannot be told is missing.
    """
    if camera is None:
        return {}
    depths = {}
    for side, m in measured.items():
        depth = root_depth(camera, m.joints_2d, m.depth_m, scale, m.sigma_px)
        if depth is not None:
            depths[side] = depth
    if len(depths) == 2:
        difference = left_minus_right_m * scale.depth_factor
        right, left = reconcile(depths["right"], depths["left"], difference, scale)
        depths = {"right": right, "left": left}
    return depths


def build_hand(
    m: Measurement,
    camera: Camera | None,
    depth: RootDepth | None,
    scale: HandScale,
    source: DepthSource = DepthSource.HAND_SIZE,
) -> Hand:
    """Make the public hand.

    With a camera and a depth, joints_3d are the joints on their rays and joints_relative the
    same minus the wrist. Otherwise joints_relative are by weak perspective: the image's extent
    scaled so that the chain has its length.
    """
    points, valid = None, m.valid
    if camera is not None and depth is not None:
        points = (depth.depth_m + m.depth_m)[:, None] * camera.unproject(m.joints_2d)
        on_ray = np.isfinite(points).all(axis=1)
        points, valid = (points, valid & on_ray) if on_ray[WRIST] else (None, valid)
    relative = _weak_perspective(m, scale) if points is None else points - points[WRIST]
    unseen = ~valid
    return Hand(
        side=m.side,
        confidence=m.confidence,
        joints_2d=_masked(m.joints_2d, unseen),
        joints_relative=_masked(relative, unseen),
        joints_3d=None if points is None else _masked(points, unseen),
        joint_confidence=m.joint_confidence.astype(np.float32),
        joint_sigma_px=m.sigma_px.astype(np.float32),
        valid=valid,
        box=m.box.astype(np.float32),
        depth_source=DepthSource.NONE if points is None else source,
        depth_sigma=depth.sigma_m if points is not None and depth else float("nan"),
        wrist_orientation=wrist_quaternion(_masked(relative, unseen), m.side),
    )


def with_wrist_depth(
    hand: Hand, camera: Camera, depth_m: float, sigma_m: float, source: DepthSource
) -> Hand:
    """The same hand put at a wrist depth from elsewhere, such as a depth image.

    Args:
        hand: as estimated.
        camera: intrinsics of its image.
        depth_m, sigma_m: the wrist joint's depth and its standard deviation, metres.
        source: which is named in the hand.

    Returns:
        A hand whose joints_3d, joints_relative and orientation follow from that depth; joints
        that were NaN stay NaN.
    """
    points = (depth_m + hand.joints_relative[:, 2:]) * camera.unproject(hand.joints_2d)
    relative = (points - points[WRIST]).astype(np.float32)
    return replace(
        hand,
        joints_3d=points.astype(np.float32),
        joints_relative=relative,
        depth_source=source,
        depth_sigma=float(sigma_m),
        wrist_orientation=wrist_quaternion(relative, hand.side),
    )


def left_minus_right(sightings: Mapping[str, Sighting]) -> float:
    """The network's difference of the wrists' depths, metres; NaN unless one crop shows both."""
    if len(sightings) < 2:
        return float("nan")
    right, left = (sightings[side] for side in SIDES)
    together = right.reading is left.reading and right.channel == 0 and left.channel == 1
    return right.reading.left_minus_right_m if together else float("nan")


def _weak_perspective(m: Measurement, scale: HandScale) -> np.ndarray:
    depth = np.where(np.isfinite(m.depth_m), m.depth_m, 0.0)
    metres = metres_per_pixel(m.joints_2d, depth, scale.size_m)
    relative = np.empty((NUM_JOINTS, 3))
    relative[:, :2] = (m.joints_2d - m.joints_2d[WRIST]) * metres
    relative[:, 2] = m.depth_m
    return relative


def _masked(values: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    return np.where(unseen[:, None], np.nan, values).astype(np.float32)
