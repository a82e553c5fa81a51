# SPDX-License-Identifier: Apache-2.0
"""Publish raw images at 10 Hz: send_images.py WIDTH HEIGHT RELIABILITY COUNT."""

import sys
import time

import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from digit_ros.images import image_from_array

width, height, reliability, count = (
    int(sys.argv[1]),
    int(sys.argv[2]),
    sys.argv[3],
    int(sys.argv[4]),
)
rclpy.init()
node = rclpy.create_node("sender")
qos = QoSProfile(depth=10, reliability=ReliabilityPolicy[reliability.upper()])
publisher = node.create_publisher(Image, "image", qos)
picture = np.zeros((height, width, 3), np.uint8)
while not publisher.get_subscription_count():
    rclpy.spin_once(node, timeout_sec=0.05)
time.sleep(0.8)  # the other side's half of the match
for number in range(count):
    picture[:] = number
    header = Header(frame_id=str(number), stamp=node.get_clock().now().to_msg())
    publisher.publish(image_from_array(picture, "rgb8", header))
    time.sleep(1 / 10)
if reliability == "reliable":
    publisher.wait_for_all_acked(Duration(seconds=5.0))
print("sent", count, flush=True)
time.sleep(0.5)
node.destroy_node()
rclpy.shutdown()
