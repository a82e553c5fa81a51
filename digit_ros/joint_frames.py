# SPDX-License-Identifier: Apache-2.0
"""A chain of TF frames for each finger of a skeleton.

Axes as OpenXR's: -Z along the bone toward the tip, +Y out of the back of the hand or finger.
"""

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from tf_transformations import quaternion_inverse, quaternion_matrix, quaternion_multiply

from digit_core.openxr import OPENXR_NAMES, openxr_hand
from digit_core.skeleton import FINGERS, JOINT_NAMES, PARENTS, WRIST
from digit_ros.messages import FrameNames, points_array
from digit_ros.msg import HandSkeleton, TwoHandSkeleton


def _openxr_rows() -> tuple[int, ...]:
    """OpenXR's row for each of our 21 joints."""
    rows = [OPENXR_NAMES.index("wrist")]
    for finger in FINGERS:
        theirs = finger.replace("pinky", "little")
        chain = [i for i, name in enumerate(OPENXR_NAMES) if name.startswith(f"{theirs}_")]
        rows += chain[-4:]  # a finger's metacarpal is not one of ours; the thumb's is
    return tuple(rows)


OPENXR_ROWS = _openxr_rows()


def finger_transforms(skeleton: TwoHandSkeleton, names: FrameNames) -> list[TransformStamped]:
    """`left_wrist` to `left_thumb_1`, that to `left_thumb_2`, and so on, for both hands.

    A joint that is not known has no frame, nor have those that hang on it.
    """
    transforms = []
    for side in ("left", "right"):
        hand = getattr(skeleton, side)
        if hand.present:
            transforms += _finger_transforms(hand, side, names, skeleton.header.stamp)
    return transforms


def _finger_transforms(
    hand: HandSkeleton, side: str, names: FrameNames, stamp: Time
) -> list[TransformStamped]:
    places, turns = (
        array[list(OPENXR_ROWS)] for array in openxr_hand(points_array(hand.positions), side)
    )
    known = np.isfinite(places).all(axis=1) & np.isfinite(turns).all(axis=1)
    transforms = []
    for joint, name in enumerate(JOINT_NAMES):
        parent = PARENTS[joint]
        if joint == WRIST:
            continue
        known[joint] &= known[parent]
        if known[joint]:
            transform = _relative(places[parent], turns[parent], places[joint], turns[joint])
            transform.header.stamp = stamp
            transform.header.frame_id = names.of(side, JOINT_NAMES[parent])
            transform.child_frame_id = names.of(side, name)
            transforms.append(transform)
    return transforms


def _relative(
    parent_place: np.ndarray, parent_turn: np.ndarray, place: np.ndarray, turn: np.ndarray
) -> TransformStamped:
    """A joint's pose in its parent's axes."""
    offset = quaternion_matrix(parent_turn)[:3, :3].T @ (place - parent_place)
    rotation = quaternion_multiply(quaternion_inverse(parent_turn), turn)
    transform = TransformStamped()
    transform.transform.translation = Vector3(x=offset[0], y=offset[1], z=offset[2])
    transform.transform.rotation = _quaternion(rotation)
    return transform


def _quaternion(turn: np.ndarray) -> Quaternion:
    x, y, z, w = np.asarray(turn, np.float64).tolist()
    return Quaternion(x=x, y=y, z=z, w=w)
