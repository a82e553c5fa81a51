# SPDX-License-Identifier: Apache-2.0
"""Message builders: joint order, units, NaN rules, TF equal to the message."""

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from digit_core.draw import draw_hands
from digit_core.hands import DepthSource, Intrinsics, TwoHands
from digit_core.skeleton import JOINT_NAMES
from digit_ros.markers import skeleton_markers
from digit_ros.messages import FrameNames, points_array, two_hand_skeleton, wrist_transforms
from digit_ros.msg import HandSkeleton
from digit_ros.points import LEFT, RIGHT, skeleton_points
from digit_ros.reading import two_hands as read_back

HEADER = Header(stamp=Time(sec=5, nanosec=6), frame_id="camera")


@pytest.fixture
def skeleton(two_hands):
    """The message of both made-up hands."""
    return two_hand_skeleton(two_hands, HEADER, Intrinsics.CAMERA_INFO)


def one_hand(hand) -> TwoHands:
    """Only the right hand in the picture."""
    return TwoHands(right=hand, left=None, segmentation=np.zeros((4, 4), np.uint8))


def test_constants_are_the_public_joint_order():
    assert [getattr(HandSkeleton, name.upper()) for name in JOINT_NAMES] == list(range(21))


def test_constants_are_the_enums_numbers():
    for enum in (DepthSource, Intrinsics):
        assert all(getattr(HandSkeleton, member.name) == member for member in enum)


def test_header_is_the_images(skeleton):
    assert skeleton.header == HEADER


def test_each_side_carries_its_own_numbers_in_metres_and_pixels(two_hands, skeleton):
    for hand, message in ((two_hands.left, skeleton.left), (two_hands.right, skeleton.right)):
        np.testing.assert_allclose(points_array(message.positions), hand.joints_3d)
        np.testing.assert_allclose(points_array(message.relative), hand.joints_relative)
        np.testing.assert_array_equal(message.pixels.reshape(21, 2), hand.joints_2d)
        np.testing.assert_array_equal(message.confidences, hand.joint_confidence)
        np.testing.assert_array_equal(message.sigma_px, hand.joint_sigma_px)
        assert message.present and all(message.valid)
        assert message.confidence == pytest.approx(0.9)
        assert (message.depth_source, message.intrinsics) == (1, 1)
        assert message.depth_sigma == pytest.approx(0.04)


def test_messages_share_nothing_that_can_be_changed(two_hands, make_hand):
    def made(hands):
        return two_hand_skeleton(hands, Header(frame_id="camera"), Intrinsics.CAMERA_INFO)

    both, absent = two_hands, one_hand(make_hand("right"))
    expected = [repr(made(both)), repr(made(absent))]
    spoilt = [made(both), made(absent)]
    for message in spoilt:
        message.header.frame_id = "spoilt"
        for hand in (message.left, message.right):
            hand.present, hand.valid[0], hand.wrist.position.x = True, True, 9.0
            hand.positions[3].x = hand.relative[4].y = hand.wrist.orientation.w = 9.0
            hand.pixels[:] = hand.confidences[:] = hand.sigma_px[:] = 9.0
    for again, before in zip([made(both), made(absent)], expected, strict=True):
        assert repr(again) == before


def test_an_absent_hand_is_nan_and_false_never_zero(make_hand):
    hand = two_hand_skeleton(one_hand(make_hand("right")), HEADER, Intrinsics.CAMERA_INFO).left
    assert not hand.present and not any(hand.valid)
    assert np.isnan([hand.confidence, hand.depth_sigma]).all()
    pose = hand.wrist
    assert np.isnan([pose.position.x, pose.position.y, pose.position.z]).all()
    turn = pose.orientation
    assert np.isnan([turn.x, turn.y, turn.z, turn.w]).all()
    for values in (points_array(hand.positions), points_array(hand.relative), hand.pixels):
        assert np.isnan(values).all()
    assert np.isnan(hand.confidences).all() and np.isnan(hand.sigma_px).all()
    assert hand.depth_source == HandSkeleton.NONE


def test_an_invalid_joint_is_nan_in_every_position(make_hand):
    valid = np.arange(21) != 7
    message = two_hand_skeleton(
        one_hand(make_hand("right", valid=valid)), HEADER, Intrinsics.NONE
    ).right
    assert not message.valid[7] and sum(message.valid) == 20
    for values in (message.positions, message.relative):
        assert (
            np.isnan(points_array(values)[7]).all() and np.isfinite(points_array(values)[6]).all()
        )
    assert np.isnan(message.pixels[14:16]).all() and np.isfinite(message.pixels[16:]).all()


def test_without_depth_there_is_no_place_but_a_shape(make_hand):
    hand = make_hand("right", joints_3d=None, depth_source=DepthSource.NONE)
    skeleton = two_hand_skeleton(one_hand(hand), HEADER, Intrinsics.NONE)
    message = skeleton.right
    assert message.present and all(message.valid)
    assert np.isnan(points_array(message.positions)).all()
    assert np.isnan(message.wrist.position.x) and np.isnan(message.wrist.orientation.w)
    assert np.isfinite(points_array(message.relative)).all()
    assert wrist_transforms(skeleton) == []


def test_a_message_reads_back_as_the_hands_it_was_made_of(make_hand):
    valid = np.arange(21) != 7
    hands = one_hand(make_hand("right", valid=valid))
    skeleton = two_hand_skeleton(hands, HEADER, Intrinsics.CAMERA_INFO)
    got = read_back(skeleton, hands.segmentation)
    assert got.left is None and got.segmentation is hands.segmentation
    for name in ("joints_2d", "joints_3d", "joints_relative"):
        expected = np.where(valid[:, None], getattr(hands.right, name), np.nan)
        np.testing.assert_allclose(getattr(got.right, name), expected, rtol=1e-6)
    np.testing.assert_array_equal(got.right.valid, valid)
    np.testing.assert_array_equal(got.right.wrist_orientation, hands.right.wrist_orientation)
    assert got.right.depth_source == hands.right.depth_source


def test_without_any_valid_joint_a_message_still_reads_back_and_draws(make_hand):
    hands = one_hand(make_hand("right", valid=np.zeros(21, bool)))
    skeleton = two_hand_skeleton(hands, HEADER, Intrinsics.CAMERA_INFO)
    got = read_back(skeleton, hands.segmentation)
    assert got.right.joints_3d is None and got.right.box.tolist() == [0, 0, 0, 0]
    draw_hands(np.zeros((4, 4, 3), np.uint8), got)


def test_transforms_are_the_messages_wrists(skeleton):
    left, right = wrist_transforms(skeleton, FrameNames("head_"))
    assert (left.child_frame_id, right.child_frame_id) == ("head_left_wrist", "head_right_wrist")
    for transform, hand in ((left, skeleton.left), (right, skeleton.right)):
        assert transform.header == HEADER
        assert transform.transform.rotation == hand.wrist.orientation
        place, origin = transform.transform.translation, hand.wrist.position
        assert (place.x, place.y, place.z) == (origin.x, origin.y, origin.z)
        assert origin == hand.positions[HandSkeleton.WRIST]


def test_no_transform_for_an_absent_hand_or_an_unknown_orientation(make_hand):
    only_right = two_hand_skeleton(one_hand(make_hand("right")), HEADER, Intrinsics.ASSUMED)
    assert [t.child_frame_id for t in wrist_transforms(only_right)] == ["right_wrist"]
    unknown = make_hand("right", wrist_orientation=np.full(4, np.nan, np.float32))
    assert wrist_transforms(two_hand_skeleton(one_hand(unknown), HEADER, Intrinsics.ASSUMED)) == []


def test_markers_show_joints_and_bones(skeleton):
    markers = skeleton_markers(skeleton).markers
    assert [(m.ns, m.id) for m in markers] == [("left", 0), ("left", 1), ("right", 0), ("right", 1)]
    assert all(m.action == m.ADD and m.header == HEADER for m in markers)
    assert [len(m.points) for m in markers] == [21, 40, 21, 40]


def test_markers_of_a_lost_hand_are_deleted_and_unknown_joints_left_out(make_hand):
    valid = np.arange(21) != 8
    skeleton = two_hand_skeleton(
        one_hand(make_hand("right", valid=valid)), HEADER, Intrinsics.ASSUMED
    )
    markers = skeleton_markers(skeleton).markers
    assert [m.action for m in markers] == [2, 2, 0, 0]
    assert [len(m.points) for m in markers] == [0, 0, 20, 38]


def test_points_hold_every_known_joint(skeleton, make_hand):
    point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2")
    cloud = point_cloud2.read_points(skeleton_points(skeleton))
    assert cloud["hand"].tolist() == [LEFT] * 21 + [RIGHT] * 21
    assert cloud["joint"].tolist() == list(range(21)) * 2
    np.testing.assert_allclose(
        np.stack([cloud[axis] for axis in "xyz"], axis=1)[21:],
        points_array(skeleton.right.positions),
        rtol=1e-6,
    )
    np.testing.assert_array_equal(cloud["confidence"][:21], skeleton.left.confidences)
    nobody = TwoHands(right=None, left=None, segmentation=np.zeros((4, 4), np.uint8))
    empty = skeleton_points(two_hand_skeleton(nobody, HEADER, Intrinsics.NONE))
    assert (empty.width, len(empty.data), empty.point_step) == (0, 0, 18)
