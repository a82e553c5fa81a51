# SPDX-License-Identifier: Apache-2.0
"""One camera from its topics to its results: decode, find the camera, track, publish, count."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo

from digit_core.depth import HandScale
from digit_core.estimator import DigitEstimator
from digit_ros.calibration import Calibration
from digit_ros.complaints import Complaints
from digit_ros.counters import Counters
from digit_ros.diagnostics import diagnostic_array
from digit_ros.images import BadImage, rgb_from_compressed, rgb_from_image
from digit_ros.inbox import Inbox
from digit_ros.messages import two_hand_skeleton
from digit_ros.outputs import Answer, Outputs
from digit_ros.parameters import Parameters
from digit_ros.subscriptions import Subscriptions

_DECODERS = {"raw": rgb_from_image, "compressed": rgb_from_compressed}
_INFO_GRACE_S = 1.0
_SILENT_S = 3
_INFOS_OF_A_RUNNING_CAMERA = 3


class Stream:
    """One camera. Subscriptions fill the inbox; the worker gives each frame back to `process`.

    Attributes:
        name: the image topic's full name.
    """

    def __init__(
        self, node: LifecycleNode, estimator: DigitEstimator, parameters: Callable[[], Parameters]
    ) -> None:
        """Make the topics; `parameters` gives the node's parameters as they are now."""
        self._node = node
        self._now_given = parameters
        self._inbox = Inbox()
        self._tracker = estimator.tracker()
        self._reference_m = estimator.networks.hand_size_m
        self._complaints = Complaints(node.get_logger().warning)
        self._subscriptions = Subscriptions(
            node, self._parameters, self._on_image, self._on_camera_info, self._complaints.say
        )
        self.name = self._subscriptions.image_topic
        self._outputs = Outputs(node)
        self._decode = _DECODERS[self._parameters.image_transport]
        self._reset()

    @property
    def _parameters(self) -> Parameters:
        return self._now_given()

    def _reset(self) -> None:
        self._tracker.reset()
        self._calibration = Calibration(_is_rectified(self._parameters, self.name))
        self._counters = Counters(time.monotonic())
        self._began_s = math.inf
        self._infos = 0
        self._silent_s = 0

    def open(self, inbox: Inbox) -> None:
        """Subscribe, leaving images in `inbox`; the publishers are active already."""
        self._inbox = inbox
        self._reset()
        self._outputs.publish_labels()
        self._subscriptions.open()

    def close(self) -> None:
        """Unsubscribe and clear what stands in RViz."""
        self._subscriptions.close()
        self._outputs.clear()

    def destroy(self) -> None:
        """Take the topics down."""
        self._outputs.destroy()

    def _on_image(self, message: Any) -> None:
        now_s = time.monotonic()
        frame = (message, now_s)
        self._began_s = min(self._began_s, now_s)
        self._counters.frame_received(dropped=self._inbox.put(self.name, frame))
        self._silent_s = 0

    def _on_camera_info(self, info: CameraInfo) -> None:
        self._infos += 1
        self._calibration.update(info)

    def process(self, frame: tuple[Any, float]) -> None:
        """Answer one image; a bad one is said, counted and left."""
        message, received_s = frame
        started_s = time.monotonic()
        try:
            picture = self._decode(message)
        except BadImage as error:
            self.drop("image", f"{self.name}: {error}; the frame is dropped")
            return
        decoded_s = time.monotonic()
        answer = self._answer(picture, message.header)
        answered_s, age_ms = time.monotonic(), self._age_ms(message.header.stamp)
        self._outputs.publish(answer, self._parameters)
        ended_s = time.monotonic()
        self._counters.frame_processed(
            {
                "stamp to answer": age_ms,
                "wait": 1e3 * (started_s - received_s),
                "decode": 1e3 * (decoded_s - started_s),
                **answer.hands.timings_ms,
                "estimate": 1e3 * (answered_s - decoded_s),
                "publish": 1e3 * (ended_s - answered_s),
            }
        )

    def drop(self, kind: str, sentence: str) -> None:
        """Say and count an input that could not be used."""
        self._counters.bad_input(kind)
        self._complaints.say(sentence)

    def _answer(self, picture, header) -> Answer:
        height, width = picture.shape[:2]
        fallback_deg = self._parameters.fallback_hfov_deg
        camera, intrinsics, note = self._calibration.camera(width, height, fallback_deg)
        # The first image may well come before the first CameraInfo.
        if note and time.monotonic() - self._began_s > _INFO_GRACE_S:
            self._complaints.say(f"{self._subscriptions.camera_info_topic}: {note}")
        if camera is None:
            self._counters.bad_input("camera_info")
        stamp_s = header.stamp.sec + 1e-9 * header.stamp.nanosec
        self._tune()
        hands = self._tracker(picture, camera, stamp_s)
        skeleton = two_hand_skeleton(hands, header, intrinsics)
        return Answer(picture, header, hands, intrinsics, skeleton)

    def _tune(self) -> None:
        given, tracker = self._parameters, self._tracker
        tracker.settings = replace(tracker.settings, mirrored=given.mirrored, smooth=given.smooth)
        tracker.scale = HandScale.of(given.hand_size_m or None, self._reference_m)

    def _age_ms(self, stamp) -> float:
        return 1e-6 * (self._node.get_clock().now() - Time.from_msg(stamp)).nanoseconds

    def match(self) -> None:
        """Several times a second: see to it that the subscription fits the publishers."""
        self._subscriptions.match()

    def tick(self, facts: dict[str, str]):
        """Once a second: notice silence, sum up.

        Args:
            facts: rows that the node adds, for example model and device.

        Returns:
            diagnostic_msgs/DiagnosticArray.
        """
        self._notice_silence()
        summary = self._counters.summary(time.monotonic())
        stamp = self._node.get_clock().now().to_msg()
        name = f"{self._node.get_name()}: {self.name}"
        return diagnostic_array(name, summary, facts, self._complaints.newest(), stamp)

    def _notice_silence(self) -> None:
        self._silent_s += 1
        infos, self._infos = self._infos, 0
        if self._silent_s > _SILENT_S and infos >= _INFOS_OF_A_RUNNING_CAMERA:
            self._complaints.say(
                f"{self.name}: CameraInfo arrives but no images; if the camera publishes them,"
                " start it with FASTDDS_DEFAULT_PROFILES_FILE set to digit_ros' config/fastdds.xml"
                " (Fast DDS's default shared memory is too small for raw images)"
            )


def _is_rectified(parameters: Parameters, image_topic: str) -> bool:
    if parameters.rectified == "auto":
        return "rect" in image_topic
    return parameters.rectified == "true"
