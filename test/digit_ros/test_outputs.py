# SPDX-License-Identifier: Apache-2.0
"""Publishers on demand: nothing is painted or built while nobody subscribes."""

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PoseArray, TransformStamped
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker, MarkerArray

from digit_core.hands import Intrinsics, TwoHands
from digit_ros.image_result import ImageResult
from digit_ros.messages import FrameNames, two_hand_skeleton, wrist_transforms
from digit_ros.msg import TwoHandSkeleton
from digit_ros.outputs import Outputs
from digit_ros.parameters import Parameters

HEADER = Header(frame_id="eye")


@pytest.fixture
def outputs():
    """Active publishers on a real lifecycle node."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = LifecycleNode("digit", context=context)
    made = Outputs(node, "")
    node.trigger_configure()
    node.trigger_activate()
    yield made
    node.destroy_node()
    context.shutdown()


@pytest.fixture
def painted():
    """How often a segmentation was painted, as a list that grows."""
    return []


@pytest.fixture
def answer(make_hand, painted):
    """One answered image whose segmentation is painted when asked for."""

    def paint():
        painted.append(True)
        return np.full((48, 64), 9, np.uint8)

    raw = TwoHands(make_hand("right", 5), None, paint)
    hands = TwoHands(make_hand("right", 1), make_hand("left", 2), paint, raw=raw)
    skeleton = two_hand_skeleton(hands, HEADER, Intrinsics.CAMERA_INFO)
    picture = np.zeros((48, 64, 3), np.uint8)
    names = FrameNames("head_")
    return ImageResult(picture, HEADER, hands, Intrinsics.CAMERA_INFO, skeleton, names)


def hear(ears, outputs, answer, kind, topic, parameters=None):
    """Subscribe, publish until it arrives, give the newest message."""
    heard = ears.listen(kind, topic, 1)

    def arrived():
        outputs.publish(answer, parameters or Parameters())
        return heard

    ears.spin_until(arrived, 10.0, topic)
    return heard[-1]


def test_nobody_listens_nothing_is_painted(ears, outputs, answer, painted):
    got = hear(ears, outputs, answer, TwoHandSkeleton, "skeleton")
    assert got.right.positions == answer.skeleton.right.positions
    assert painted == []
    hear(ears, outputs, answer, Image, "segmentation")
    assert painted


def test_tf_is_the_skeletons_wrists(ears, outputs, answer):
    expected = wrist_transforms(answer.skeleton, FrameNames("head_"))
    got = hear(ears, outputs, answer, TFMessage, "/tf").transforms
    assert got == expected
    assert [t.child_frame_id for t in got] == ["head_left_wrist", "head_right_wrist"]
    assert all(isinstance(t, TransformStamped) and t.header == HEADER for t in got)


def test_fingers_follow_the_wrists_when_asked_for(ears, outputs, answer):
    asked = Parameters(publish_finger_tf=True)
    got = hear(ears, outputs, answer, TFMessage, "/tf", asked).transforms
    assert len(got) == 2 + 2 * 20
    assert got[2].header.frame_id == "head_left_wrist"
    assert got[3].child_frame_id == "head_left_thumb_2"


def test_openxr_poses_arrive(ears, outputs, answer):
    assert len(hear(ears, outputs, answer, PoseArray, "hands_openxr").poses) == 52


def test_tf_can_be_turned_off(ears, outputs, answer):
    heard = ears.listen(TFMessage, "/tf", 10)
    hear(ears, outputs, answer, TwoHandSkeleton, "skeleton", Parameters(publish_tf=False))
    ears.spin_for(0.3)
    assert heard == []


def test_raw_is_the_unfiltered_hands(ears, outputs, answer):
    raw = hear(ears, outputs, answer, TwoHandSkeleton, "skeleton_raw")
    assert raw.right.present and not raw.left.present
    assert raw.right.positions != answer.skeleton.right.positions


def test_markers_and_points_arrive(ears, outputs, answer):
    assert len(hear(ears, outputs, answer, MarkerArray, "markers").markers) == 4
    assert hear(ears, outputs, answer, PointCloud2, "skeleton_points").width == 42


def test_markers_are_cleared_at_the_end(ears, outputs, answer):
    heard = ears.listen(MarkerArray, "markers", 10)
    ears.spin_until(lambda: outputs.publish(answer, Parameters()) or heard, 10.0, "markers")
    outputs.clear()
    ears.spin_until(lambda: heard[-1].markers[0].action == Marker.DELETEALL, 10.0, "the end")


def test_segmentation_color_is_the_palette(ears, outputs, answer):
    from digit_core.parts import PALETTE

    picture = hear(ears, outputs, answer, Image, "segmentation_color")
    assert bytes(picture.data[:3]) == PALETTE[9].tobytes()
    assert (picture.encoding, picture.step) == ("rgb8", 192)
