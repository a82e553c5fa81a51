# SPDX-License-Identifier: Apache-2.0
"""Subscribes to a node's skeletons and pictures, and takes none of them for a minute."""

import time

import rclpy
from sensor_msgs.msg import Image

from digit_ros.msg import TwoHandSkeleton

rclpy.init()
node = rclpy.create_node("slow_subscriber")
node.create_subscription(TwoHandSkeleton, "skeleton", print, 5)
node.create_subscription(Image, "overlay", print, 1)
print("subscribed", flush=True)
time.sleep(60.0)
