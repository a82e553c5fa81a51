# SPDX-License-Identifier: Apache-2.0
"""A skeleton message drawn for RViz: joints as spheres and bones as lines, cleared on loss."""

import math

from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from digit_core.skeleton import BONES
from digit_ros.msg import HandSkeleton, TwoHandSkeleton

JOINT_DIAMETER_M = 0.010
BONE_WIDTH_M = 0.004
_JOINTS, _BONES = 0, 1
_COLOURS = {
    "left": ColorRGBA(r=0.20, g=0.60, b=1.00, a=1.0),
    "right": ColorRGBA(r=1.00, g=0.55, b=0.15, a=1.0),
}


def skeleton_markers(skeleton: TwoHandSkeleton) -> MarkerArray:
    """Markers of both hands in the message's frame, namespaces "left" and "right".

    A hand that is absent, or whose place in the camera frame is not known, gets DELETE markers.
    """
    hands = (("left", skeleton.left), ("right", skeleton.right))
    return MarkerArray(
        markers=[
            marker for side, hand in hands for marker in _hand_markers(side, hand, skeleton.header)
        ]
    )


def clear_markers(header: Header) -> MarkerArray:
    """One marker that removes all of ours, for the end of a stream."""
    return MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])


def _hand_markers(side: str, hand: HandSkeleton, header: Header) -> list[Marker]:
    known = [math.isfinite(point.x + point.y + point.z) for point in hand.positions]
    joints = [point for point, ok in zip(hand.positions, known, strict=True) if ok]
    bones = [
        hand.positions[end] for bone in BONES if known[bone[0]] and known[bone[1]] for end in bone
    ]
    return [
        _marker(side, _JOINTS, Marker.SPHERE_LIST, joints, JOINT_DIAMETER_M, header),
        _marker(side, _BONES, Marker.LINE_LIST, bones, BONE_WIDTH_M, header),
    ]


def _marker(
    side: str, number: int, kind: int, points: list[Point], size_m: float, header: Header
) -> Marker:
    marker = Marker(header=header, ns=side, id=number, type=kind, points=points)
    marker.action = Marker.ADD if points else Marker.DELETE
    marker.pose.orientation.w = 1.0
    marker.scale = Vector3(x=size_m, y=size_m, z=size_m)
    marker.color = _COLOURS[side]
    return marker
