# SPDX-License-Identifier: Apache-2.0
"""Publish one TwoHandSkeleton whose numbers come from the seed: send_skeleton.py SEED."""

import importlib.util
import sys
from pathlib import Path

import rclpy
from rclpy.duration import Duration

from digit_ros.msg import TwoHandSkeleton

spec = importlib.util.spec_from_file_location(
    "made_skeleton", Path(__file__).with_name("made_skeleton.py")
)
made_skeleton = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made_skeleton)

rclpy.init()
node = rclpy.create_node("sender")
publisher = node.create_publisher(TwoHandSkeleton, "skeleton", 5)
while not publisher.get_subscription_count():
    rclpy.spin_once(node, timeout_sec=0.05)
publisher.publish(made_skeleton.make(int(sys.argv[1])))
publisher.wait_for_all_acked(Duration(seconds=5.0))
node.destroy_node()
rclpy.shutdown()
