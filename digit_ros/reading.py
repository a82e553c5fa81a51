# SPDX-License-Identifier: Apache-2.0
"""Skeleton messages back to results, for programs that receive them."""

from collections.abc import Callable

import numpy as np

from digit_core.hands import DepthSource, Hand, TwoHands
from digit_ros.messages import points_array
from digit_ros.msg import HandSkeleton, TwoHandSkeleton


def two_hands(
    skeleton: TwoHandSkeleton, segmentation: np.ndarray | Callable[[], np.ndarray]
) -> TwoHands:
    """What the message says, as the estimator gave it.

    Args:
        skeleton: a `skeleton` or `skeleton_raw` message.
        segmentation: (H, W) uint8 part labels of the same image, or a function that gives them.
    """
    return TwoHands(
        right=_hand("right", skeleton.right),
        left=_hand("left", skeleton.left),
        segmentation=segmentation,
    )


def _hand(side: str, message: HandSkeleton) -> Hand | None:
    if not message.present:
        return None
    joints_2d = np.asarray(message.pixels, np.float32).reshape(-1, 2)
    joints_3d = points_array(message.positions).astype(np.float32)
    turn = message.wrist.orientation
    return Hand(
        side=side,
        confidence=message.confidence,
        joints_2d=joints_2d,
        joints_relative=points_array(message.relative).astype(np.float32),
        joints_3d=joints_3d if np.isfinite(joints_3d).any() else None,
        joint_confidence=np.asarray(message.confidences, np.float32),
        joint_sigma_px=np.asarray(message.sigma_px, np.float32),
        valid=np.array(message.valid, bool),
        box=_box(joints_2d),
        depth_source=DepthSource(message.depth_source),
        depth_sigma=message.depth_sigma,
        wrist_orientation=np.array([turn.x, turn.y, turn.z, turn.w], np.float32),
    )


def _box(joints_2d: np.ndarray) -> np.ndarray:
    """(4,) x, y, width, height: the square about the valid joints; empty when there is none."""
    known = joints_2d[np.isfinite(joints_2d).all(axis=1)]
    if not len(known):
        return np.zeros(4, np.float32)
    low, high = known.min(axis=0), known.max(axis=0)
    side = (high - low).max()
    x, y = (low + high - side) / 2
    return np.array([x, y, side, side], np.float32)
