# SPDX-License-Identifier: Apache-2.0
import numpy as np
from std_msgs.msg import Header

from digit_core.hands import Intrinsics, TwoHands
from digit_core.openxr import OPENXR_NAMES, openxr_hand
from digit_ros.messages import two_hand_skeleton
from digit_ros.openxr_poses import openxr_poses


def numbers(poses):
    """(N, 7) x, y, z, qx, qy, qz, qw."""
    return np.array(
        [
            (p.position.x, p.position.y, p.position.z)
            + (p.orientation.x, p.orientation.y, p.orientation.z, p.orientation.w)
            for p in poses
        ]
    )


def test_left_then_right_in_the_frame_of_the_image(two_hands):
    header = Header(frame_id="eye")
    message = openxr_poses(two_hand_skeleton(two_hands, header, Intrinsics.CAMERA_INFO))
    assert message.header == header and len(message.poses) == 52
    for part, hand in ((slice(0, 26), two_hands.left), (slice(26, 52), two_hands.right)):
        places, turns = openxr_hand(hand.joints_3d, hand.side)
        assert np.allclose(numbers(message.poses)[part], np.hstack([places, turns]))


def test_absent_is_nan_and_what_hangs_on_an_unknown_joint_too(make_hand):
    valid = np.ones(21, bool)
    valid[8] = False  # the index fingertip
    hands = TwoHands(make_hand("right", valid=valid), None, np.zeros((4, 4), np.uint8))
    skeleton = two_hand_skeleton(hands, Header(), Intrinsics.CAMERA_INFO)
    rows = numbers(openxr_poses(skeleton).poses)
    assert np.isnan(rows[:26]).all()
    lost = {OPENXR_NAMES[i] for i in np.flatnonzero(np.isnan(rows[26:]).any(axis=1))}
    assert lost == {"index_tip", "index_distal"}
    assert np.isnan(rows[26 + OPENXR_NAMES.index("index_tip")]).all()
