# SPDX-License-Identifier: Apache-2.0
"""From what was measured in the image to a `Hand` in metres."""

from collections.abc import Mapping

import numpy as np

from digit_core.camera import Camera
from digit_core.depth import RootDepth, metres_per_pixel, reconcile, root_depth
from digit_core.depth_image import DepthImage, wrist_depth
from digit_core.hand_size import HandScale
from digit_core.hands import DepthSource, Hand
from digit_core.measurement import Measurement
from digit_core.orientation import wrist_quaternion
from digit_core.pair import Sighting
from digit_core.skeleton import NUM_JOINTS, SIDES, WRIST


def depths_by_size(
    measured: Mapping[str, Measurement], camera: Camera, scale: HandScale
) -> dict[str, RootDepth]:
    """Each wrist's depth by the hands' size; a hand whose depth cannot be told is missing."""
    depths = {
        side: root_depth(camera, m.joints_2d, m.depth_m, scale, m.sigma_px)
        for side, m in measured.items()
    }
    return {side: depth for side, depth in depths.items() if depth is not None}


def depths_by_image(
    image: DepthImage,
    shape: tuple[int, int],
    measured: Mapping[str, Measurement],
    camera: Camera,
    scale: HandScale,
    by_size: Mapping[str, RootDepth],
) -> dict[str, RootDepth]:
    """Each wrist's depth by a depth image; a hand that it does not show well is missing.

    Args:
        image: registered to the colour image.
        shape: height and width of the colour image, pixels.
        measured, by_size: by side.
        camera: intrinsics of the colour image.
        scale: the hands' size.
    """
    depths = {}
    for side, m in measured.items():
        others = [other for name, other in measured.items() if name != side]
        depth = wrist_depth(image, camera, shape, m, scale, by_size.get(side), others)
        if depth is not None:
            depths[side] = depth
    return depths


def reconciled(
    depths: Mapping[str, RootDepth], scale: HandScale, left_minus_right_m: float
) -> dict[str, RootDepth]:
    """Two hands' depths brought together with their measured difference; one as it is.

    Args:
        depths: by side.
        scale: the hands' size.
        left_minus_right_m: the network's difference as it told it; NaN without.
    """
    if len(depths) < len(SIDES):
        return dict(depths)
    difference = left_minus_right_m * scale.depth_factor
    right, left = reconcile(depths["right"], depths["left"], difference, scale)
    return {"right": right, "left": left}


def build_hand(
    m: Measurement,
    camera: Camera | None,
    depth: RootDepth | None,
    scale: HandScale,
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
        depth_source=depth.source if points is not None and depth else DepthSource.NONE,
        depth_sigma=depth.sigma_m if points is not None and depth else float("nan"),
        wrist_orientation=wrist_quaternion(_masked(relative, unseen), m.side),
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
