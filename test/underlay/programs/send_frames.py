# SPDX-License-Identifier: Apache-2.0
"""Broadcast a fixed camera and two moving wrists until interrupted."""

import rclpy
from geometry_msgs.msg import TransformStamped
from rclpy.executors import ExternalShutdownException
from tf2_ros import StaticTransformBroadcaster, TransformBroadcaster

rclpy.init()
node = rclpy.create_node("frames")


def frame(parent, child, x):
    stamped = TransformStamped(child_frame_id=child)
    stamped.header.frame_id = parent
    stamped.header.stamp = node.get_clock().now().to_msg()
    stamped.transform.translation.x = x
    return stamped


StaticTransformBroadcaster(node).sendTransform(frame("world", "camera", 1.0))
wrists = TransformBroadcaster(node)


def send():
    wrists.sendTransform([frame("camera", "left_wrist", 0.25), frame("camera", "right_wrist", 0.5)])


node.create_timer(0.05, send)
try:
    rclpy.spin(node)
except (KeyboardInterrupt, ExternalShutdownException):
    pass
