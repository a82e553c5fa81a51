# SPDX-License-Identifier: Apache-2.0
"""One camera from its topics to its results: decode, find the camera, track, publish, count."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from digit_core.camera import Camera
from digit_core.depth_image import DepthImage
from digit_core.estimator import DigitEstimator, Job
from digit_core.hands import Intrinsics, TwoHands
from digit_ros.box_memory import BoxMemory
from digit_ros.calibration import Calibration
from digit_ros.camera_clock import clock_note, is_ros_time
from digit_ros.complaints import Complaints
from digit_ros.counters import Counters
from digit_ros.depth_buffer import DepthBuffer
from digit_ros.diagnostics import diagnostic_status
from digit_ros.hold import Hold
from digit_ros.images import BadImage, depth_from_image, rgb_from_compressed, rgb_from_image
from digit_ros.inbox import Inbox
from digit_ros.messages import two_hand_skeleton
from digit_ros.outputs import Answer, Outputs
from digit_ros.parameters import Parameters
from digit_ros.subscriptions import Handlers, Subscriptions

_DECODERS = {"raw": rgb_from_image, "compressed": rgb_from_compressed}
_INFO_GRACE_S = 1.0
_SILENT_S = 3
_INFOS_OF_A_RUNNING_CAMERA = 3
#: In the inbox in place of a frame: no image has come for `timeout_s`.
_SILENCE = "silence"
#: A depth image that has not arrived yet is waited for so long.
_DEPTH_WAIT_S = 0.03
#: Aspect ratios of image and depth image may differ by rounding.
_SAME_ASPECT = 0.02


@dataclass(frozen=True)
class Prepared:
    """An image on its way through the network.

    Attributes:
        picture: (H, W, 3) uint8 RGB.
        header: the image's.
        camera, intrinsics: of the image.
        job: what the estimator is given.
        received_s, started_s, read_s: monotonic times: in the inbox, taken, picture and job made.
    """

    picture: np.ndarray
    header: Header
    camera: Camera | None
    intrinsics: Intrinsics
    job: Job
    received_s: float
    started_s: float
    read_s: float


class Stream:
    """One camera. Subscriptions fill the inbox; the worker takes frames through `prepare`, the
    network and `finish`.

    Attributes:
        name: the image topic's full name.
    """

    def __init__(
        self,
        node: LifecycleNode,
        camera: str,
        estimator: DigitEstimator,
        parameters: Callable[[], Parameters],
    ) -> None:
        """Make the topics of a camera; `parameters` gives the node's parameters as they are now."""
        self._node = node
        self._now_given = parameters
        self._inbox = Inbox()
        self._tracker = estimator.tracker()
        self._reference_m = estimator.networks.hand_size_m
        self._tuned: Parameters | None = None
        self._complaints = Complaints(node.get_logger().warning)
        self._depths, self._boxes, self._hold = DepthBuffer(), BoxMemory(), Hold()
        handlers = Handlers(self._on_image, self._on_camera_info, self._depths.put, self._boxes.put)
        self._subscriptions = Subscriptions(
            node, camera, self._parameters, handlers, self._complaints.say
        )
        self.name = self._subscriptions.image_topic
        self._outputs = Outputs(node, camera, self._parameters)
        self._decode = _DECODERS[self._parameters.image_transport]
        self._reset()

    @property
    def _parameters(self) -> Parameters:
        return self._now_given()

    def _reset(self) -> None:
        self._tracker.reset()
        self._hold.reset()
        self._calibration = Calibration(_is_rectified(self._parameters, self.name))
        self._counters = Counters(time.monotonic())
        self._began_s = math.inf
        self._last_s, self._last_header = math.inf, Header()
        self._told_absent = True
        self._age_s = 0.0
        self._infos = 0
        self._silent_s = 0

    def open(self, inbox: Inbox) -> None:
        """Subscribe, leaving images in `inbox`; the publishers are active already."""
        self._inbox = inbox
        self._reset()
        self._outputs.publish_labels()
        self._subscriptions.open()

    def close(self) -> None:
        """Unsubscribe, tell that no hand is known any more, and clear what stands in RViz."""
        self._subscriptions.close()
        self._tell_absent()
        self._outputs.clear()

    def destroy(self) -> None:
        """Take the topics down."""
        self._outputs.destroy()

    def _on_image(self, message: Any) -> None:
        now_s = time.monotonic()
        self._began_s = min(self._began_s, now_s)
        self._last_s, self._last_header = now_s, message.header
        self._counters.frame_received(dropped=self._inbox.put(self.name, (message, now_s)))
        self._silent_s = 0

    def _on_camera_info(self, info: CameraInfo) -> None:
        self._infos += 1
        self._calibration.update(info)

    def prepare(self, frame: Any) -> Prepared | None:
        """Read one image; None where there is nothing for the network to do.

        A bad image is said, counted and left.
        """
        if frame is _SILENCE:
            self._fall_silent()
            return None
        if not self._outputs.wanted(self._parameters):
            self._counters.frame_idle()
            return None
        message, received_s = frame
        started_s = time.monotonic()
        try:
            picture = self._decode(message)
        except BadImage as error:
            self.drop("image", f"{self.name}: {error}; the frame is dropped")
            return None
        camera, intrinsics = self._camera(picture, message.header)
        self._tune()
        job = self._job(picture, message.header, camera, received_s)
        read_s = time.monotonic()
        return Prepared(
            picture, message.header, camera, intrinsics, job, received_s, started_s, read_s
        )

    def finish(self, prepared: Prepared, hands: TwoHands) -> None:
        """Publish what the network found."""
        stamp_s = prepared.job[3]
        held = self._hold(hands, 0.0 if stamp_s is None else stamp_s, self._parameters.hold_s)
        skeleton = two_hand_skeleton(held, prepared.header, prepared.intrinsics)
        answer = Answer(prepared.picture, prepared.header, held, prepared.intrinsics, skeleton)
        answered_s, self._age_s = time.monotonic(), self._age_of(prepared.header.stamp)
        self._told_absent = False
        self._outputs.publish(answer, self._parameters)
        stages = {
            "wait": prepared.started_s - prepared.received_s,
            "picture": prepared.read_s - prepared.started_s,
            "estimate": answered_s - prepared.read_s,
            "publish": time.monotonic() - answered_s,
        }
        if is_ros_time(self._age_s):
            stages["stamp to answer"] = self._age_s
        ms = {stage: 1e3 * seconds for stage, seconds in stages.items()}
        self._counters.frame_processed({**ms, **hands.timings_ms})

    def drop(self, kind: str, sentence: str) -> None:
        """Say and count an input that could not be used."""
        self._counters.bad_input(kind)
        self._complaints.say(sentence)

    def match(self) -> None:
        """Several times a second: fit the subscription to the publishers, notice silence."""
        self._subscriptions.match()
        if time.monotonic() - self._last_s > self._parameters.timeout_s:
            if self._inbox.put_if_empty(self.name, _SILENCE):
                self._last_s = math.inf

    def tick(self, facts: dict[str, str], amiss: str = "") -> DiagnosticStatus:
        """Once a second: say what is amiss, sum up.

        Args:
            facts: rows that the node adds, for example model and device.
            amiss: what the node has to say itself.
        """
        if amiss:
            self._complaints.say(amiss)
        self._notice_silence()
        summary = self._counters.summary(time.monotonic())
        note = clock_note(self._age_s)
        if note and not self._complaints.newest():
            self._complaints.say(f"{self.name}: {note}")
        rows = {
            **facts,
            "published": ", ".join(self._outputs.wanted(self._parameters)) or "nothing",
            "hand size (m)": f"{self._tracker.known_scale.size_m:.3f}",
        }
        name = f"{self._node.get_name()}: {self.name}"
        return diagnostic_status(name, summary, rows, self._complaints.newest())

    def _camera(self, picture: np.ndarray, header: Header) -> tuple[Camera | None, Intrinsics]:
        height, width = picture.shape[:2]
        fallback_deg = self._parameters.fallback_hfov_deg
        camera, intrinsics, note = self._calibration.camera(
            width, height, header.frame_id, fallback_deg
        )
        # The first image may well come before the first CameraInfo.
        if note and time.monotonic() - self._began_s > _INFO_GRACE_S:
            self._complaints.say(f"{self._subscriptions.camera_info_topic}: {note}")
        if camera is None:
            self._counters.bad_input("camera_info")
        return camera, intrinsics

    def _job(
        self, picture: np.ndarray, header: Header, camera: Camera | None, received_s: float
    ) -> Job:
        stamp_s = header.stamp.sec + 1e-9 * header.stamp.nanosec
        boxes = self._boxes.now() if self._parameters.detector == "boxes" else None

        def depth() -> DepthImage | None:
            return self._depth_of(picture.shape[:2], header)

        wanted = self._parameters.depth_source == "depth_image"
        # A driver that stamps nothing still sends images one after the other.
        stamp_s = stamp_s or received_s
        return self._tracker, picture, camera, stamp_s, boxes, depth if wanted else None

    def _depth_of(self, shape: tuple[int, ...], header: Header) -> DepthImage | None:
        """The depth image of an image; what is wrong with it is said, and hand size serves."""
        tolerance_s = self._parameters.depth_tolerance_s
        message = self._depths.nearest(header.stamp, tolerance_s, _DEPTH_WAIT_S)
        topic = self._subscriptions.depth_topic
        if message is None:
            self.drop(
                "depth",
                f"{topic}: no depth image within {tolerance_s:g} s of an image; hand size is used"
                " (see depth_tolerance_s)",
            )
            return None
        try:
            depth = depth_from_image(message)
        except BadImage as error:
            self.drop("depth", f"{topic}: {error}; hand size is used")
            return None
        fault = _not_registered(depth, message.header.frame_id, shape, header.frame_id)
        if fault:
            self.drop("depth", f"{topic}: {fault}; hand size is used")
            return None
        return depth

    def _tune(self) -> None:
        given, tracker = self._parameters, self._tracker
        if given is not self._tuned:
            tracker.settings = given.settings()
            tracker.scale = given.hand_scale(self._reference_m)
            self._tuned = given

    def _age_of(self, stamp: Any) -> float:
        # Not rclpy's Time: that refuses the negative seconds of a camera with a wild clock.
        stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        return 1e-9 * (self._node.get_clock().now().nanoseconds - stamp_ns)

    def _fall_silent(self) -> None:
        self._tracker.reset()
        self._tell_absent()
        self._outputs.clear()

    def _tell_absent(self) -> None:
        """One skeleton without hands, unless that was told: whoever follows them is to stop."""
        self._hold.reset()
        if self._told_absent or not self._node.context.ok():
            return
        self._told_absent = True
        stamp = self._node.get_clock().now().to_msg()
        self._outputs.publish_absent(Header(frame_id=self._last_header.frame_id, stamp=stamp))

    def _notice_silence(self) -> None:
        self._silent_s += 1
        infos, self._infos = self._infos, 0
        if self._silent_s <= _SILENT_S:
            return
        if infos >= _INFOS_OF_A_RUNNING_CAMERA:
            self._complaints.say(
                f"{self.name}: CameraInfo arrives but no images; if the camera publishes them,"
                " start it with FASTDDS_DEFAULT_PROFILES_FILE set to digit_ros' config/fastdds.xml"
                " (Fast DDS's default shared memory is too small for raw images)"
            )
        elif not self._subscriptions.has_publisher:
            self._complaints.say(f"{self.name}: nobody publishes images; is the camera running?")


def _not_registered(
    depth: DepthImage, frame_id: str, shape: tuple[int, ...], image_frame_id: str
) -> str:
    """Why a depth image does not lie on its image; empty where it does."""
    height, width = depth.values.shape
    if abs(width * shape[0] / (height * shape[1]) - 1) > _SAME_ASPECT:
        return (
            f"the depth image has {width}x{height} pixels but the image {shape[1]}x{shape[0]};"
            " expected one registered (aligned) to the image"
        )
    if frame_id != image_frame_id:
        return (
            f"the depth image's frame is '{frame_id}' but the image's is '{image_frame_id}';"
            " expected one registered (aligned) to the image"
        )
    return ""


def _is_rectified(parameters: Parameters, image_topic: str) -> bool:
    if parameters.rectified == "auto":
        return "rect" in image_topic
    return parameters.rectified == "true"
