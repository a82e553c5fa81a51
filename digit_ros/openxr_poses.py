# SPDX-License-Identifier: Apache-2.0
"""A skeleton message as OpenXR's hands: geometry_msgs/PoseArray, 26 joints left, then 26 right."""

import numpy as np
from geometry_msgs.msg import Point, Pose, PoseArray, Quaternion

from digit_core.openxr import openxr_hand
from digit_ros.messages import points_array
from digit_ros.msg import TwoHandSkeleton


def openxr_poses(skeleton: TwoHandSkeleton) -> PoseArray:
    """52 poses in the message's frame, metres, in the order of `digit_core.openxr.OPENXR_NAMES`.

    A hand that is absent or whose depth is unknown, and what hangs on a joint that is not valid,
    is NaN throughout its poses.
    """
    poses = []
    for side in ("left", "right"):
        places, turns = openxr_hand(points_array(getattr(skeleton, side).positions), side)
        known = np.isfinite(places).all(axis=1) & np.isfinite(turns).all(axis=1)
        places[~known], turns[~known] = np.nan, np.nan
        poses += [_pose(*row) for row in np.hstack([places, turns]).tolist()]
    return PoseArray(header=skeleton.header, poses=poses)


def _pose(x: float, y: float, z: float, qx: float, qy: float, qz: float, qw: float) -> Pose:
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))
