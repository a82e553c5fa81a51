# SPDX-License-Identifier: Apache-2.0
"""One camera in the node: its topics, the pipeline between them, silence, counts."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from digit_core.hands import TwoHands
from digit_ros.camera_clock import clock_note, is_ros_time
from digit_ros.camera_pipeline import CameraPipeline, PreparedImage
from digit_ros.counters import Counters
from digit_ros.diagnostics import diagnostic_status
from digit_ros.images import BadImage
from digit_ros.latest_frame_queue import ImageArrived, LatestFrameQueue, QueueItem, Silence
from digit_ros.missing_images import MissingImages
from digit_ros.outputs import Outputs
from digit_ros.parameters import Parameters
from digit_ros.subscriptions import Handlers, Subscriptions
from digit_ros.throttled_warnings import ThrottledWarnings

#: The first image may well come before the first CameraInfo.
_INFO_GRACE_S = 1.0


@dataclass(frozen=True, eq=False)
class WaitingImage:
    """An image that is ready for the network.

    Attributes:
        prepared: the image.
        received_s, started_s, prepared_s: monotonic times: in the queue, taken, made ready.
    """

    prepared: PreparedImage
    received_s: float
    started_s: float
    prepared_s: float


class Stream:
    """One camera. Subscriptions fill the queue; the worker takes its items through `prepare`, the
    network and `finish`.

    Attributes:
        name: the image topic's full name.
        pipeline: from the camera's messages to its results.
        counters: what happened to the frames.
        warnings: what was said about them.
    """

    def __init__(
        self,
        node: LifecycleNode,
        camera: str,
        reference_m: float,
        parameters: Callable[[], Parameters],
    ) -> None:
        """Make the topics of a camera.

        Args:
            node: whose topics they are.
            camera: its name, empty where there is but one.
            reference_m: size of the hands whose depths the network tells, metres.
            parameters: gives the node's parameters as they are now.
        """
        self._node, self._parameters = node, parameters
        self._queue = LatestFrameQueue()
        self.warnings = ThrottledWarnings(node.get_logger().warning)
        self._subscriptions = Subscriptions(
            node, camera, parameters(), self._handlers(), self.warnings.warn
        )
        self.name = self._subscriptions.image_topic
        namespace = f"{camera}/" if camera else ""
        self.pipeline = CameraPipeline(
            self.name, parameters, reference_m, namespace, self._on_depth_fault
        )
        self._outputs = Outputs(node, camera)
        self._reset()

    def _reset(self) -> None:
        self.pipeline.restart()
        self.counters = Counters(time.monotonic())
        self._missing_images = MissingImages()
        self._first_s = self._last_s = math.inf
        self._frame_id = ""
        self._absence_published = True
        self._age_s = 0.0

    def open(self, queue: LatestFrameQueue) -> None:
        """Subscribe, leaving images in `queue`; the publishers are active already."""
        self._queue = queue
        self._reset()
        self._outputs.publish_labels()
        self._subscriptions.open()

    def close(self) -> None:
        """Unsubscribe, tell that no hand is known any more, and clear what stands in RViz."""
        self._subscriptions.close()
        self._publish_absence()
        self._outputs.clear()

    def destroy(self) -> None:
        """Take the topics down."""
        self._outputs.destroy()

    def _handlers(self) -> Handlers:
        return Handlers(
            image=self._on_image,
            camera_info=self._on_camera_info,
            depth=lambda message: self.pipeline.take_depth(message),
            boxes=lambda region: self.pipeline.take_box(region),
        )

    def _on_image(self, message: Image | CompressedImage) -> None:
        now_s = time.monotonic()
        self._first_s = min(self._first_s, now_s)
        self._last_s, self._frame_id = now_s, message.header.frame_id
        dropped = self._queue.put(self.name, ImageArrived(message, now_s))
        self.counters.frame_received(dropped=dropped)
        self._missing_images.image_came()

    def _on_camera_info(self, info: CameraInfo) -> None:
        self._missing_images.camera_info_came()
        self.pipeline.take_camera_info(info)

    def _on_depth_fault(self, sentence: str) -> None:
        self.drop("depth", f"{self._subscriptions.depth_topic}: {sentence}")

    def prepare(self, item: QueueItem) -> WaitingImage | None:
        """Make one item of the queue ready; None where there is nothing for the network to do.

        A bad image is said, counted and left.
        """
        if isinstance(item, Silence):
            self._fall_silent()
            return None
        if not self._outputs.wanted(self._parameters()):
            self.counters.frame_idle()
            return None
        started_s = time.monotonic()
        try:
            prepared = self.pipeline.prepare(item.message, item.received_s)
        except BadImage as error:
            self.drop("image", f"{self.name}: {error}; the frame is dropped")
            return None
        self._check_camera(prepared)
        return WaitingImage(prepared, item.received_s, started_s, time.monotonic())

    def finish(self, image: WaitingImage, hands: TwoHands) -> None:
        """Publish what the network found."""
        result = self.pipeline.result(image.prepared, hands)
        answered_s, self._age_s = time.monotonic(), self._age_of(result.header.stamp)
        self._absence_published = False
        self._outputs.publish(result, self._parameters())
        stages = {
            "wait": image.started_s - image.received_s,
            "picture": image.prepared_s - image.started_s,
            "estimate": answered_s - image.prepared_s,
            "publish": time.monotonic() - answered_s,
        }
        if is_ros_time(self._age_s):
            stages["stamp to answer"] = self._age_s
        ms = {stage: 1e3 * seconds for stage, seconds in stages.items()}
        self.counters.frame_processed({**ms, **hands.timings_ms})

    def drop(self, kind: str, sentence: str) -> None:
        """Say and count an input that could not be used."""
        self.counters.bad_input(kind)
        self.warnings.warn(sentence)

    def match(self) -> None:
        """Several times a second: fit the subscription to the publishers, notice silence."""
        self._subscriptions.match()
        if time.monotonic() - self._last_s > self._parameters().timeout_s:
            if self._queue.put_if_empty(self.name, Silence()):
                self._last_s = math.inf

    def status(self, facts: dict[str, str], warning: str = "") -> DiagnosticStatus:
        """Once a second: say what is wrong, sum up.

        Args:
            facts: rows that the node adds, for example model and device.
            warning: what the node itself has to say.
        """
        if warning:
            self.warnings.warn(warning)
        missing = self._missing_images.second_passed(self._subscriptions.has_publisher)
        if missing:
            self.warnings.warn(f"{self.name}: {missing}")
        summary = self.counters.summary(time.monotonic())
        note = clock_note(self._age_s)
        if note and not self.warnings.newest():
            self.warnings.warn(f"{self.name}: {note}")
        rows = {
            **facts,
            "published": ", ".join(self._outputs.wanted(self._parameters())) or "nothing",
            "hand size (m)": f"{self.pipeline.state.known_scale.size_m:.3f}",
        }
        name = f"{self._node.get_name()}: {self.name}"
        return diagnostic_status(name, summary, rows, self.warnings.newest())

    def _check_camera(self, prepared: PreparedImage) -> None:
        if prepared.camera_note and time.monotonic() - self._first_s > _INFO_GRACE_S:
            topic = self._subscriptions.camera_info_topic
            self.warnings.warn(f"{topic}: {prepared.camera_note}")
        if prepared.request.camera is None:
            self.counters.bad_input("camera_info")

    def _age_of(self, stamp: Time) -> float:
        # Not rclpy's Time: that refuses the negative seconds of a camera with a wild clock.
        stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        return 1e-9 * (self._node.get_clock().now().nanoseconds - stamp_ns)

    def _fall_silent(self) -> None:
        self._publish_absence()
        self._outputs.clear()

    def _publish_absence(self) -> None:
        """One skeleton without hands, unless that was told: whoever follows them is to stop."""
        self.pipeline.forget_hands()
        if self._absence_published or not self._node.context.ok():
            return
        self._absence_published = True
        stamp = self._node.get_clock().now().to_msg()
        self._outputs.publish_absent(Header(frame_id=self._frame_id, stamp=stamp))
