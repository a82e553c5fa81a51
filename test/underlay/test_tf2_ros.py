# SPDX-License-Identifier: Apache-2.0
"""tf2_ros of the underlay: frames cross between processes and chains are composed right."""

import math
import sys
from pathlib import Path

import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.duration import Duration
from rclpy.time import Time
from tf2_msgs.msg import TFMessage
from tf2_ros import (
    Buffer,
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    StaticTransformBroadcaster,
    TransformBroadcaster,
    TransformException,
    TransformListener,
)
from tf_transformations import quaternion_about_axis

SEND = Path(__file__).parent / "programs" / "send_frames.py"


def frame(parent, child, stamp_s=1.0, x=0.0, yaw=0.0):
    stamped = TransformStamped(child_frame_id=child)
    stamped.header.frame_id = parent
    stamped.header.stamp = Time(nanoseconds=int(stamp_s * 1e9)).to_msg()
    stamped.transform.translation.x = x
    rotation = stamped.transform.rotation
    rotation.x, rotation.y, rotation.z, rotation.w = quaternion_about_axis(yaw, (0, 0, 1))
    return stamped


def place(stamped):
    t = stamped.transform.translation
    return pytest.approx((t.x, t.y, t.z), abs=1e-9)


@pytest.fixture
def buffer():
    """A turned camera one metre along x, a wrist half a metre before it; another tree beside."""
    buffer = Buffer()
    buffer.set_transform_static(frame("world", "camera", x=1.0, yaw=math.pi / 2), "test")
    buffer.set_transform(frame("camera", "wrist", 1.0, x=0.5), "test")
    buffer.set_transform(frame("camera", "wrist", 2.0, x=0.7, yaw=1.0), "test")
    buffer.set_transform_static(frame("moon", "crater"), "test")
    return buffer


def test_chain_both_ways(buffer):
    there = buffer.lookup_transform("world", "wrist", Time(seconds=1))
    assert place(there) == (1.0, 0.5, 0.0)
    assert (there.header.frame_id, there.child_frame_id) == ("world", "wrist")
    assert there.transform.rotation.z == pytest.approx(math.sqrt(0.5))
    back = buffer.lookup_transform("wrist", "world", Time(seconds=1))
    assert place(back) == (-0.5, 1.0, 0.0)


def test_time_zero_is_the_latest_and_between_is_interpolated(buffer):
    latest = buffer.lookup_transform("camera", "wrist", Time())
    assert place(latest) == (0.7, 0, 0) and latest.header.stamp.sec == 2
    between = buffer.lookup_transform("camera", "wrist", Time(nanoseconds=1_500_000_000))
    assert place(between) == (0.6, 0, 0)
    assert between.transform.rotation.z == pytest.approx(math.sin(0.25))


def test_refusals(buffer):
    with pytest.raises(LookupException, match="nowhere"):
        buffer.lookup_transform("world", "nowhere", Time())
    with pytest.raises(ConnectivityException):
        buffer.lookup_transform("world", "crater", Time())
    with pytest.raises(ExtrapolationException):
        buffer.lookup_transform("world", "wrist", Time(seconds=3))
    with pytest.raises(InvalidArgumentException):
        buffer.set_transform(frame("", "wrist"), "test")
    assert issubclass(LookupException, TransformException)
    assert buffer.can_transform("world", "wrist", Time())
    assert buffer.can_transform("a", "b", Time(), return_debug_tuple=True)[0] is False
    assert not buffer.can_transform("a", "b", Time(), Duration(seconds=0.05))


def test_old_frames_are_forgotten_and_all_on_demand(buffer):
    buffer.set_transform(frame("camera", "wrist", 30.0), "test")
    with pytest.raises(ExtrapolationException):
        buffer.lookup_transform("camera", "wrist", Time(seconds=2))
    buffer.clear()
    assert not buffer.can_transform("camera", "wrist", Time())
    assert buffer.can_transform("world", "camera", Time())


def test_frames_from_another_process(start_process, ears):
    buffer = Buffer()
    listener = TransformListener(buffer, ears.node)
    start_process(sys.executable, SEND)
    ears.spin_until(lambda: buffer.can_transform("world", "left_wrist", Time()), 20.0, "/tf")
    assert place(buffer.lookup_transform("world", "left_wrist", Time())) == (1.25, 0, 0)
    assert place(buffer.lookup_transform("world", "right_wrist", Time())) == (1.5, 0, 0)
    listener.unregister()


def test_static_frames_add_up_and_are_kept_for_who_comes_late(ears):
    broadcaster = StaticTransformBroadcaster(ears.node)
    broadcaster.sendTransform(frame("world", "a"))
    broadcaster.sendTransform([frame("world", "b"), frame("world", "a", x=2.0)])
    heard = ears.listen(TFMessage, "/tf_static", StaticTransformBroadcaster.QOS)
    ears.spin_until(lambda: heard, 10.0, "/tf_static")
    frames = {f.child_frame_id: f.transform.translation.x for f in heard[-1].transforms}
    assert frames == {"a": 2.0, "b": 0.0}


def test_one_frame_and_a_list(ears):
    broadcaster = TransformBroadcaster(ears.node)
    heard = ears.listen(TFMessage, "/tf")
    ears.spin_until(broadcaster.pub_tf.get_subscription_count)
    broadcaster.sendTransform(frame("world", "a"))
    broadcaster.sendTransform([frame("world", "a"), frame("world", "b")])
    ears.spin_until(lambda: len(heard) == 2)
    assert [len(message.transforms) for message in heard] == [1, 2]
