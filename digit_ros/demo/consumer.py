# SPDX-License-Identifier: Apache-2.0
"""The demo's third process: receives skeletons, /tf and segmentations, and films them.

    python -m digit_ros.demo.consumer --output DIR

runs until it is interrupted, then writes DIR/overlay.mp4, DIR/contact_sheet.png and
DIR/report.json.
"""

import argparse
import json
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time as TimeMessage
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import Image
from tf2_msgs.msg import TFMessage

from digit_core.draw import draw_hands
from digit_ros import fastdds
from digit_ros.demo.film import Film
from digit_ros.images import rgb_from_image
from digit_ros.msg import TwoHandSkeleton
from digit_ros.reading import two_hands

VIDEO, SHEET, REPORT = "overlay.mp4", "contact_sheet.png", "report.json"
#: Pictures are painted when the stream has ended, so that painting does not slow the node down;
#: a long stream is painted as it comes once it fills this much.
_MOST_WAITING_BYTES = 400_000_000
_MOST_UNANSWERED = 60


class DemoConsumer(Node):
    """Receives what digit_node publishes and keeps what belongs to one image together."""

    def __init__(self, film: Film) -> None:
        super().__init__("demo_consumer")
        self._film = film
        self._parts: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._whole: list[tuple[float, dict[str, Any]]] = []
        self._waiting_bytes = 0
        self._skeletons: list[tuple[int, float]] = []  # stamp in ns, latency in ms
        self._images: set[int] = set()  # stamps in ns
        self._transforms = self._segmentations = 0
        self._facts: dict[str, str] = {}
        self._watching = False
        self.create_subscription(TwoHandSkeleton, "skeleton", self._on_skeleton, 30)
        self.create_subscription(Image, "segmentation", self._on_segmentation, 30)
        self.create_subscription(TFMessage, "/tf", self._on_transforms, 100)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_image(self, message: Image) -> None:
        self._images.add(Time.from_msg(message.header.stamp).nanoseconds)
        self._add(message.header.stamp, "image", message)

    def _on_segmentation(self, message: Image) -> None:
        self._segmentations += 1
        self._add(message.header.stamp, "segmentation", message)

    def _on_skeleton(self, message: TwoHandSkeleton) -> None:
        stamp = Time.from_msg(message.header.stamp)
        latency_ms = (self.get_clock().now() - stamp).nanoseconds * 1e-6
        self._skeletons.append((stamp.nanoseconds, latency_ms))
        self._add(message.header.stamp, "skeleton", message)

    def _on_transforms(self, message: TFMessage) -> None:
        self._transforms += len(message.transforms)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self._facts = {row.key: row.value for row in message.status[0].values}
        # The player begins when this process, too, listens to its images. Discovery can take
        # seconds on a busy machine: whoever hears the node's diagnostics will hear its answers.
        if not self._watching:
            self._watching = True
            self.create_subscription(Image, "image", self._on_image, 30)

    def _add(self, stamp: TimeMessage, kind: str, message: Any) -> None:
        """Keep a message with the others of its image; whole sets wait to be painted."""
        nanoseconds = Time.from_msg(stamp).nanoseconds
        parts = self._parts.setdefault(nanoseconds, {})
        parts[kind] = message
        if len(parts) == 3:
            self._whole.append((nanoseconds * 1e-9, self._parts.pop(nanoseconds)))
            self._waiting_bytes += len(parts["image"].data) + len(parts["segmentation"].data)
        if len(self._parts) > _MOST_UNANSWERED:
            self._parts.popitem(last=False)
        if self._waiting_bytes > _MOST_WAITING_BYTES:
            self.paint()

    def paint(self) -> None:
        """Film all images that wait."""
        for stamp_s, parts in self._whole:
            labels = rgb_from_image(parts["segmentation"])[..., 0]
            hands = two_hands(parts["skeleton"], labels)
            self._film.add(draw_hands(rgb_from_image(parts["image"]), hands), stamp_s)
        self._whole, self._waiting_bytes = [], 0

    def report(self) -> dict[str, Any]:
        """Counts, rate in Hz, latency in milliseconds, and the node's own diagnostics."""
        # The one without hands that comes after the images answers none of them.
        answers = [answer for answer in self._skeletons if answer[0] in self._images]
        latencies_ms = [latency_ms for _, latency_ms in answers]
        return {
            "images": len(self._images),
            "skeletons": len(latencies_ms),
            "segmentations": self._segmentations,
            "transforms": self._transforms,
            "image_rate_hz": _rate_hz(sorted(self._images)),
            "rate_hz": _rate_hz([stamp_ns for stamp_ns, _ in answers]),
            "latency_median_ms": float(np.median(latencies_ms)) if latencies_ms else None,
            "latency_p99_ms": float(np.percentile(latencies_ms, 99)) if latencies_ms else None,
            "node": self._facts,
        }


def _rate_hz(stamps_ns: list[int]) -> float | None:
    """Mean rate between the first and the last stamp."""
    if len(stamps_ns) < 2 or stamps_ns[-1] <= stamps_ns[0]:
        return None
    return 1e9 * (len(stamps_ns) - 1) / (stamps_ns[-1] - stamps_ns[0])


def main() -> int:
    """Receive until interrupted, then write what was received."""
    parser = argparse.ArgumentParser(description="Receive and film what digit_node publishes.")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    fastdds.use_profile()
    rclpy.init()
    film = Film(output / VIDEO)
    consumer = DemoConsumer(film)
    try:
        rclpy.spin(consumer)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    consumer.paint()
    film.close(output / SHEET)
    report = json.dumps(consumer.report(), indent=2)
    (output / REPORT).write_text(report + "\n", encoding="utf-8")
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
