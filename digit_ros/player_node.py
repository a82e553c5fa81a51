# SPDX-License-Identifier: Apache-2.0
"""player_node: play a video, pictures or a camera as a camera's topics, image and camera_info."""

import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import rclpy
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from digit_core.printable import printable
from digit_ros import fastdds
from digit_ros.images import image_from_array
from digit_ros.parameter_table import BadParameter, declare
from digit_ros.player import intrinsics
from digit_ros.player.intrinsics import BadIntrinsics
from digit_ros.player.parameters import PlayerParameters
from digit_ros.player.sources import BadSource, CameraDevice, Frame, open_source, quiet_decoders

#: Pace of pictures that name none.
_PICTURES_HZ = 10.0
#: How long after the last subscriber shows the first picture is sent, seconds.
_SETTLE_S = 0.3
#: How long the last image is given to arrive, seconds.
_LINGER_S = 1.0


class PlayerNode(Node):
    """Publishes a source's pictures at its own rate.

    Attributes:
        sent: images published so far.

    Raises:
        BadParameter, BadSource: what was asked for cannot be played.
    """

    def __init__(self) -> None:
        super().__init__("player")
        self.parameters = declare(self, PlayerParameters)
        self.source = open_source(self.parameters.source)
        self.sent = 0
        reliability = ReliabilityPolicy[self.parameters.reliability.upper()]
        qos = QoSProfile(depth=10, reliability=reliability)
        self._image = self.create_publisher(Image, "image", qos)
        self._camera_info = self.create_publisher(CameraInfo, "camera_info", qos)
        self._known: tuple[object, CameraInfo] | None = None

    def play(self) -> None:
        """Publish until the source or the count ends, then see the last image off.

        Raises:
            BadSource, BadIntrinsics: a file of the source cannot be read.
        """
        self._wait_for_subscriber()
        due = time.monotonic()
        for frame in self._frames():
            due = self._wait_until(due)
            if not self.context.ok():
                raise ExternalShutdownException
            self._publish(frame)
            if self.sent == self.parameters.count:
                break
        self._see_off()

    def _frames(self) -> Iterator[Frame]:
        while True:
            before = self.sent
            yield from self.source
            if not self.parameters.loop or self.sent == before:
                return

    def _publish(self, frame: Frame) -> None:
        picture, path = frame
        if self.parameters.encoding == "rgb8":
            picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        header = Header(frame_id=self.parameters.frame_id)
        header.stamp = self.get_clock().now().to_msg()
        height, width = picture.shape[:2]
        info = self._intrinsics(path, width, height)
        info.header = header
        self._camera_info.publish(info)
        self._image.publish(image_from_array(picture, self.parameters.encoding, header))
        self.sent += 1

    def _intrinsics(self, path: Path | None, width: int, height: int) -> CameraInfo:
        """The CameraInfo of one picture; read once for a whole video."""
        key = (path, width, height)
        if self._known is None or self._known[0] != key:
            self._known = (key, self._read_intrinsics(*key))
        return self._known[1]

    def _read_intrinsics(self, path: Path | None, width: int, height: int) -> CameraInfo:
        sidecar = intrinsics.sidecar(path)
        if sidecar is not None:
            return intrinsics.from_sidecar(sidecar, width, height)
        if self.parameters.hfov_deg > 0:
            return intrinsics.from_hfov(self.parameters.hfov_deg, width, height)
        return intrinsics.unknown(width, height)

    def _wait_for_subscriber(self) -> None:
        deadline = time.monotonic() + self.parameters.wait_for_subscriber_s
        while (count := self._image.get_subscription_count()) < self.parameters.subscribers:
            if time.monotonic() >= deadline:
                if self.parameters.wait_for_subscriber_s:
                    said = f"{count} of {self.parameters.subscribers}" if count else "nobody"
                    self.get_logger().warning(f"{said} listens to {self._image.topic_name}")
                return
            rclpy.spin_once(self, timeout_sec=0.05)
        # A subscriber knows of us a moment after we know of it.
        time.sleep(_SETTLE_S)

    def _wait_until(self, due: float) -> float:
        """Answer requests until a picture is due; when the next one is.

        A picture that comes late is sent at once and moves the ones after it: no bursts.
        """
        while (left := due - time.monotonic()) > 0:
            rclpy.spin_once(self, timeout_sec=left)
        rclpy.spin_once(self, timeout_sec=0.0)
        if isinstance(self.source, CameraDevice) and not self.parameters.rate_hz:
            return due  # a camera makes its own pace
        rate_hz = self.parameters.rate_hz or self.source.rate_hz or _PICTURES_HZ
        return max(due + 1.0 / rate_hz, time.monotonic())

    def _see_off(self) -> None:
        """Stay until the last image has arrived: it goes when its publisher goes."""
        if self.parameters.reliability == "reliable":
            self._image.wait_for_all_acked(Duration(seconds=_LINGER_S))
        elif self._image.get_subscription_count():
            time.sleep(_LINGER_S / 2)


def main() -> int:
    """Play to the end; 1 when the source cannot be played."""
    quiet_decoders()
    fastdds.use_profile()
    log, node, code = get_logger("player"), None, 0
    try:
        rclpy.init()
        node = PlayerNode()
        start = time.monotonic()
        node.play()
        log.info(f"sent {node.sent} images in {time.monotonic() - start:.1f} s")
    except (BadParameter, BadSource, BadIntrinsics) as error:
        log.fatal(str(error))
        code = 1
    except RuntimeError as error:  # rcl's own, as of a file of parameters that is none
        if node is not None:
            raise
        log.fatal(printable(str(error)))
        code = 1
    except (KeyboardInterrupt, ExternalShutdownException):
        log.info(f"interrupted after {node.sent if node else 0} images")
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return code
