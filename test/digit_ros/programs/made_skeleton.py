# SPDX-License-Identifier: Apache-2.0
"""A TwoHandSkeleton with every field filled from a seed, the left hand's depth unknown."""

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion
from std_msgs.msg import Header

from digit_ros.msg import HandSkeleton, TwoHandSkeleton


def make(seed):
    random = np.random.default_rng(seed)
    message = TwoHandSkeleton(header=Header(frame_id="camera", stamp=Time(sec=7, nanosec=9)))
    message.right = _hand(random, HandSkeleton.HAND_SIZE, HandSkeleton.CAMERA_INFO)
    message.left = _hand(random, HandSkeleton.NONE, HandSkeleton.NONE)
    message.left.depth_sigma = float("nan")
    message.left.positions = [Point(x=float("nan")) for _ in range(21)]
    message.left.valid = [False, *[True] * 20]
    return message


def _hand(random, depth_source, intrinsics):
    hand = HandSkeleton(present=True, depth_source=depth_source, intrinsics=intrinsics)
    hand.confidence = float(np.float32(random.random()))
    hand.depth_sigma = float(np.float32(random.random()))
    hand.wrist = Pose(
        position=_point(random),
        orientation=Quaternion(x=random.random(), y=random.random(), z=0.5, w=-0.5),
    )
    hand.positions = [_point(random) for _ in range(21)]
    hand.relative = [_point(random) for _ in range(21)]
    hand.pixels = random.uniform(0, 1920, 42).astype(np.float32)
    hand.confidences = random.random(21, dtype=np.float32)
    hand.sigma_px = random.random(21, dtype=np.float32)
    hand.valid = [True] * 21
    return hand


def _point(random):
    x, y, z = random.normal(size=3)
    return Point(x=x, y=y, z=z)
