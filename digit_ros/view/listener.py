# SPDX-License-Identifier: Apache-2.0
"""Subscribes to a camera and to the node that answers it, and hands all of it to the scene."""

from builtin_interfaces.msg import Time as TimeMessage
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from sensor_msgs.msg import Image

from digit_ros.images import BadImage, rgb_from_image
from digit_ros.msg import TwoHandSkeleton
from digit_ros.view.scene import Scene

_STAGES = ("estimate", "network")


class ViewNode(Node):
    """Shows what it hears."""

    def __init__(self, scene: Scene) -> None:
        super().__init__("view")
        self._scene = scene
        newest = qos_profile_sensor_data
        self.create_subscription(Image, "image", self._on_image, newest)
        self.create_subscription(Image, "segmentation", self._on_segmentation, newest)
        self.create_subscription(TwoHandSkeleton, "skeleton", self._on_skeleton, 5)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_image(self, message: Image) -> None:
        try:
            self._scene.show_image(rgb_from_image(message), _seconds(message.header.stamp))
        except BadImage as error:
            self.get_logger().warning(f"image: {error}", throttle_duration_sec=10.0)

    def _on_segmentation(self, message: Image) -> None:
        labels = rgb_from_image(message)[:, :, 0]
        self._scene.show_parts(labels, _seconds(message.header.stamp))

    def _on_skeleton(self, message: TwoHandSkeleton) -> None:
        stamp = message.header.stamp
        late_s = 1e-9 * (self.get_clock().now() - Time.from_msg(stamp)).nanoseconds
        self._scene.show_hands(message, _seconds(stamp))
        # A camera clock that is not ROS time tells nothing about latency.
        if 0.0 <= late_s < 10.0:
            self._scene.show_latency({"stamp to here": 1e3 * late_s}, _seconds(stamp))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            rows = {row.key: row.value for row in status.values}
            found = {s: rows[f"{s} p50 (ms)"] for s in _STAGES if f"{s} p50 (ms)" in rows}
            medians = {f"{stage}, median": float(ms) for stage, ms in found.items()}
            self._scene.show_latency(medians, _seconds(message.header.stamp))


def _seconds(stamp: TimeMessage) -> float:
    return stamp.sec + 1e-9 * stamp.nanosec
