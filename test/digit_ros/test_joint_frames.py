# SPDX-License-Identifier: Apache-2.0
"""Finger frames: chained transforms give the message's joints back."""

import numpy as np
import pytest
from std_msgs.msg import Header
from tf_transformations import quaternion_matrix

from digit_core.hands import Intrinsics, TwoHands
from digit_core.openxr import OPENXR_NAMES
from digit_core.orientation import wrist_quaternion
from digit_core.skeleton import JOINT_NAMES
from digit_ros.joint_frames import OPENXR_ROWS, finger_transforms
from digit_ros.messages import FrameNames, points_array, two_hand_skeleton, wrist_transforms

NAMES = FrameNames("robot/", "l", "r")


@pytest.fixture
def skeleton(make_hand):
    """A left hand whose index_3 is not known; no right hand."""
    valid = np.ones(21, bool)
    valid[JOINT_NAMES.index("index_3")] = False
    hand = make_hand("left", 3, valid=valid)
    turn = wrist_quaternion(hand.joints_relative, "left")
    hand = make_hand("left", 3, valid=valid, wrist_orientation=turn)
    hands = TwoHands(None, hand, np.zeros((4, 4), np.uint8))
    return two_hand_skeleton(hands, Header(frame_id="eye"), Intrinsics.CAMERA_INFO)


def test_openxrs_rows_are_our_joints():
    names = [OPENXR_NAMES[row] for row in OPENXR_ROWS]
    assert names[0] == "wrist" and len(set(names)) == 21
    assert names[1:5] == ["thumb_metacarpal", "thumb_proximal", "thumb_distal", "thumb_tip"]
    assert names[5:9] == ["index_proximal", "index_intermediate", "index_distal", "index_tip"]
    assert names[20] == "little_tip"


def matrix(transform):
    t, q = transform.transform.translation, transform.transform.rotation
    out = quaternion_matrix([q.x, q.y, q.z, q.w])
    out[:3, 3] = t.x, t.y, t.z
    return out


def test_chained_frames_end_at_the_joints(skeleton):
    chain = [*wrist_transforms(skeleton, NAMES), *finger_transforms(skeleton, NAMES)]
    placed = {"eye": np.eye(4)}
    for transform in chain:
        placed[transform.child_frame_id] = placed[transform.header.frame_id] @ matrix(transform)
    places = points_array(skeleton.left.positions)
    for joint, name in enumerate(JOINT_NAMES):
        frame = f"robot/l_{name}"
        if name in ("index_3", "index_4"):  # unknown, and what hangs on it
            assert frame not in placed
        elif name != "index_2":
            np.testing.assert_allclose(placed[frame][:3, 3], places[joint], atol=1e-5)


def test_no_hand_no_frames(skeleton):
    skeleton.left = skeleton.right
    assert finger_transforms(skeleton, NAMES) == []
