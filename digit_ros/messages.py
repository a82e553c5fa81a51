# SPDX-License-Identifier: Apache-2.0
"""Results to messages: pure functions, arrays and a header in, a message out.

Camera optical frame of the image's header, metres, pixels; what is absent or unknown is NaN.
"""

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, TransformStamped, Vector3
from std_msgs.msg import Header

from digit_core.hands import Hand, Intrinsics, TwoHands
from digit_core.skeleton import NUM_JOINTS, WRIST
from digit_ros.msg import HandSkeleton, TwoHandSkeleton

_NAN = float("nan")
_Message = TypeVar("_Message", TwoHandSkeleton, HandSkeleton)
#: To be copied: a message made anew makes 42 default points a hand, to throw them away.
_TWO_HANDS, _HAND = TwoHandSkeleton(), HandSkeleton()
_NO_POINTS = np.full((NUM_JOINTS, 3), np.nan, np.float32)


def two_hand_skeleton(hands: TwoHands, header: Header, intrinsics: Intrinsics) -> TwoHandSkeleton:
    """The skeleton message of one image.

    Args:
        hands: what the estimator gave for the image.
        header: the image's header, used as it is.
        intrinsics: where the camera of this image came from.
    """
    return _with(
        _TWO_HANDS,
        header=header,
        left=hand_skeleton(hands.left, intrinsics),
        right=hand_skeleton(hands.right, intrinsics),
    )


def hand_skeleton(hand: Hand | None, intrinsics: Intrinsics) -> HandSkeleton:
    """One hand's message; an absent hand is NaN throughout, `present` and every `valid` false."""
    if hand is None:
        return _absent_hand(intrinsics)
    valid = hand.valid
    positions = _NO_POINTS if hand.joints_3d is None else _masked(hand.joints_3d, valid)
    return _with(
        _HAND,
        present=True,
        confidence=float(hand.confidence),
        depth_source=int(hand.depth_source),
        depth_sigma=float(hand.depth_sigma),
        intrinsics=int(intrinsics),
        wrist=_wrist_pose(positions[WRIST], hand.wrist_orientation),
        positions=_points(positions),
        relative=_points(_masked(hand.joints_relative, valid)),
        pixels=_masked(hand.joints_2d, valid).reshape(-1),
        confidences=np.array(hand.joint_confidence, np.float32),
        sigma_px=np.array(hand.joint_sigma_px, np.float32),
        valid=np.asarray(valid, bool).tolist(),
    )


@dataclass(frozen=True)
class FrameNames:
    """How the hands' frames are called: prefix, a hand's own name, _ and the joint's.

    Attributes:
        prefix: before every name, for example "robot/".
        left, right: what each hand's frames begin with.
    """

    prefix: str = ""
    left: str = "left"
    right: str = "right"

    def of(self, side: str, joint: str) -> str:
        """For example "robot/left_wrist"."""
        return f"{self.prefix}{getattr(self, side)}_{joint}"


def wrist_transforms(
    skeleton: TwoHandSkeleton, names: FrameNames = FrameNames()
) -> list[TransformStamped]:
    """Camera frame to `left_wrist` and `right_wrist`, equal to the message's wrist poses.

    Args:
        skeleton: the message that the transforms belong to; its header names the parent.
        names: of the child frames.

    Returns:
        One transform for each hand whose wrist is known whole; none for the others.
    """
    wrists = (("left", skeleton.left.wrist), ("right", skeleton.right.wrist))
    return [
        _transform(pose, skeleton.header, names.of(side, "wrist"))
        for side, pose in wrists
        if _is_known(pose)
    ]


def points_array(points: Iterable[Point]) -> np.ndarray:
    """(N, 3) float64 of N geometry_msgs/Point, metres."""
    return np.array([(point.x, point.y, point.z) for point in points]).reshape(-1, 3)


def _absent_hand(intrinsics: Intrinsics) -> HandSkeleton:
    unknown = np.full(NUM_JOINTS, np.nan, np.float32)
    return _with(
        _HAND,
        present=False,
        confidence=_NAN,
        depth_sigma=_NAN,
        intrinsics=int(intrinsics),
        wrist=_wrist_pose(_NO_POINTS[WRIST], np.full(4, np.nan)),
        positions=_points(_NO_POINTS),
        relative=_points(_NO_POINTS),
        pixels=np.full(2 * NUM_JOINTS, np.nan, np.float32),
        confidences=unknown,
        sigma_px=unknown.copy(),
        valid=[False] * NUM_JOINTS,
    )


def _with(default: _Message, **fields: Any) -> _Message:
    """A copy of a message with other fields; what is not named must be a number."""
    message = copy.copy(default)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def _masked(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """(21, D) float32 with the joints that are not valid set to NaN."""
    return np.where(np.asarray(valid, bool)[:, None], values, np.nan).astype(np.float32)


def _points(array: np.ndarray) -> list[Point]:
    return [Point(x=x, y=y, z=z) for x, y, z in array.tolist()]


def _wrist_pose(position: np.ndarray, orientation: np.ndarray) -> Pose:
    if not np.isfinite(position).all():
        # An orientation without a place would look like half a pose.
        orientation = np.full(4, np.nan)
    x, y, z = position.tolist()
    qx, qy, qz, qw = np.asarray(orientation, np.float64).tolist()
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))


def _is_known(pose: Pose) -> bool:
    place, turn = pose.position, pose.orientation
    return all(map(math.isfinite, (place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w)))


def _transform(pose: Pose, header: Header, child: str) -> TransformStamped:
    transform = TransformStamped(header=header, child_frame_id=child)
    place = pose.position
    transform.transform.translation = Vector3(x=place.x, y=place.y, z=place.z)
    transform.transform.rotation = pose.orientation
    return transform
