# SPDX-License-Identifier: Apache-2.0
"""The small parts of a stream: hold, depth images by stamp, boxes, the camera's clock."""

import json
import threading

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image, RegionOfInterest

from digit_core.hands import TwoHands
from digit_ros.camera_clock import clock_note
from digit_ros.depth_buffer import DepthBuffer
from digit_ros.dropout_hold import DropoutHold
from digit_ros.external_boxes import ExternalBoxes
from digit_ros.missing_images import MissingImages

BLANK = np.zeros((4, 4), np.uint8)


def hands(right=None, left=None):
    return TwoHands(right, left, BLANK)


def test_a_lost_hand_is_held_with_falling_confidence(make_hand):
    hold, right, left = DropoutHold(), make_hand("right"), make_hand("left", 1)
    assert hold(hands(right, left), 10.0, 0.2).right is right
    held = hold(hands(None, left), 10.05, 0.2)
    assert held.left is left and held.raw.right is None
    assert held.right.confidence == pytest.approx(0.75 * right.confidence)
    np.testing.assert_array_equal(held.right.joints_3d, right.joints_3d)
    assert hold(hands(None, left), 10.21, 0.2).right is None
    assert hold(hands(None, left), 10.1, 0.2).right is None  # once gone, gone


def test_without_hold_a_hand_is_gone_at_once(make_hand):
    hold = DropoutHold()
    hold(hands(make_hand("right")), 1.0, 0.0)
    assert hold(hands(), 1.0, 0.0).right is None
    hold(hands(make_hand("right")), 2.0, 0.5)
    assert hold(hands(), 1.9, 0.5).right is None  # a clock that jumped back
    hold(hands(make_hand("right")), 3.0, 0.5)
    hold.reset()
    assert hold(hands(), 3.1, 0.5).right is None


def test_what_is_held_is_told_in_plain_numbers_to_the_last_bit(make_hand):
    unknown = np.full(4, np.nan, np.float32)
    hold = DropoutHold()
    right = make_hand("right", 3, wrist_orientation=unknown)
    hold(hands(right, make_hand("left", 4, joints_3d=None, depth_sigma=float("nan"))), 7.25, 1.0)
    told = json.loads(json.dumps(hold.to_dict(), allow_nan=False))
    before, after = (one(hands(), 7.5, 1.0) for one in (hold, DropoutHold.from_dict(told)))
    for side in ("right", "left"):
        a, b = vars(getattr(before, side)), vars(getattr(after, side))
        assert a.keys() == b.keys()
        for name, value in a.items():
            if isinstance(value, np.ndarray):
                assert (value.dtype, value.tobytes()) == (b[name].dtype, b[name].tobytes()), name
            else:
                assert repr(value) == repr(b[name]), name
    assert after.left.joints_3d is None and after.right.confidence == 0.75 * right.confidence


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("box", [1, 2], "box: expected numbers of shape"),
        ("depth_source", 77, "77 is not a valid DepthSource"),
        ("confidence", "much", "confidence: expected numbers"),
        ("valid", None, "valid"),
    ],
)
def test_what_tells_of_no_hand_is_one_sentence(make_hand, name, value, words):
    hold = DropoutHold()
    hold(hands(make_hand("right")), 1.0, 1.0)
    told = hold.to_dict()
    told["right"][name] = value
    with pytest.raises(ValueError, match=f"^held hands: .*{words}"):
        DropoutHold.from_dict(told)
    with pytest.raises(ValueError, match="'box' is missing"):
        DropoutHold.from_dict({"left": {n: v for n, v in told["right"].items() if n != "box"}})


def test_missing_images_are_explained_after_a_while():
    missing = MissingImages()
    missing.image_came()
    assert [missing.second_passed(False) for _ in range(3)] == ["", "", ""]
    assert "nobody publishes images" in missing.second_passed(False)
    assert missing.second_passed(True) == ""
    for _ in range(3):
        missing.camera_info_came()
    assert "CameraInfo arrives but no images" in missing.second_passed(True)
    assert missing.second_passed(True) == ""  # they have stopped, too
    missing.image_came()
    assert missing.second_passed(False) == ""


def depth_at(seconds):
    whole, part = divmod(round(seconds * 1e9), 10**9)
    image = Image()
    image.header.stamp = Time(sec=whole, nanosec=part)
    return image


def stamp(seconds):
    return depth_at(seconds).header.stamp


def test_the_nearest_depth_image_is_found_within_the_tolerance():
    buffer = DepthBuffer()
    assert buffer.nearest(stamp(5.0), 1.0, 0.0) is None
    for seconds in (4.9, 5.0, 5.03, 5.1):
        buffer.put(depth_at(seconds))
    assert buffer.nearest(stamp(5.02), 0.02, 0.0).header.stamp == stamp(5.03)
    assert buffer.nearest(stamp(5.0), 0.0, 0.0).header.stamp == stamp(5.0)
    assert buffer.nearest(stamp(5.06), 0.02, 0.0) is None
    for seconds in range(100, 120):
        buffer.put(depth_at(seconds))
    assert buffer.nearest(stamp(5.0), 1.0, 0.0) is None  # old ones are forgotten


def test_a_depth_image_on_its_way_is_waited_for_but_not_one_of_a_dead_camera():
    now = [0.0]
    buffer = DepthBuffer(lambda: now[0])
    buffer.put(depth_at(4.9))
    late = threading.Timer(0.05, lambda: buffer.put(depth_at(5.0)))
    late.start()
    assert buffer.nearest(stamp(5.0), 0.01, 5.0).header.stamp == stamp(5.0)
    late.join()
    now[0] = 2.0
    assert buffer.nearest(stamp(7.0), 0.01, 60.0) is None


def region(x, size=50):
    return RegionOfInterest(x_offset=x, y_offset=10, width=size, height=size)


def test_boxes_last_for_a_moment_and_newer_ones_take_their_place():
    now = [0.0]
    memory = ExternalBoxes(lambda: now[0])
    memory.put(region(100))
    memory.put(region(300))
    now[0] = 0.3
    memory.put(region(110))
    assert [box[0] for box in memory.now()] == [110, 300]
    now[0] = 0.6
    assert [box.tolist() for box in memory.now()] == [[110, 10, 50, 50]]
    memory.put(region(0, size=0))
    assert memory.now() == []
    for x in range(0, 6000, 60):
        memory.put(region(x))
    assert len(memory.now()) <= 8


@pytest.mark.parametrize("age_s", [0.0, 0.05, 9.0, -0.4])
def test_stamps_of_ros_time_pass(age_s):
    assert clock_note(age_s) == ""


@pytest.mark.parametrize(
    ("age_s", "words"),
    [
        (1.7e9, "days behind ROS time"),
        (7200.0, "2.0 hours behind"),
        (-3.0, "3.0 seconds ahead of"),
    ],
)
def test_stamps_of_another_clock_are_noticed(age_s, words):
    assert words in clock_note(age_s) and "use_sim_time" in clock_note(age_s)
