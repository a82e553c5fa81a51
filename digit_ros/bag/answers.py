# SPDX-License-Identifier: Apache-2.0
"""One camera of a recording: its images to the messages that digit_node would have published."""

from typing import Any

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from digit_core.estimator import DigitEstimator
from digit_core.printable import printable
from digit_core.track_state import TrackState
from digit_ros.bag.input import CameraTopics
from digit_ros.bag.journal import Record
from digit_ros.bag.types import cdr, type_name
from digit_ros.calibration import Calibration
from digit_ros.hold import Hold
from digit_ros.images import BadImage, rgb_from_compressed, rgb_from_image
from digit_ros.labels import label_info
from digit_ros.messages import FrameNames, two_hand_skeleton, wrist_transforms
from digit_ros.outputs import ON_DEMAND, Answer
from digit_ros.parameters import Parameters

_Messages = list[tuple[str, str, bytes]]


def _message(data: bytes, kind: type) -> Any:
    try:
        return deserialize_message(data, kind)
    except Exception as error:  # rclpy's own, which it does not name
        raise BadImage(f"a message of {len(data)} bytes is no {kind.__name__}") from error


class CameraAnswers:
    """Answers the images of one camera, one after another."""

    def __init__(
        self,
        topics: CameraTopics,
        estimator: DigitEstimator,
        parameters: Parameters,
        namespace: str,
        wanted: list[str],
    ) -> None:
        """Write below `namespace`, "" or "/name"; `wanted` are topics of `ON_DEMAND`."""
        self.topics = topics
        self._parameters, self._namespace, self._wanted = parameters, namespace, wanted
        self._tracker = estimator.tracker(parameters.settings())
        self._tracker.scale = parameters.hand_scale(estimator.networks.hand_size_m)
        self._hold = Hold()
        prefix = namespace.strip("/") + "/" if namespace else ""
        self._frames = FrameNames(
            parameters.tf_prefix + prefix, parameters.left_name, parameters.right_name
        )
        rectified = parameters.rectified
        is_rectified = "rect" in topics.image if rectified == "auto" else rectified == "true"
        self._calibration = Calibration(is_rectified)
        self._labelled = False

    def resume(self, record: Record) -> None:
        """Go on after the record of an earlier run."""
        self._tracker.state = TrackState.from_dict(record.state["tracker"])
        vars(self._hold).update(record.state["hold"])
        self._labelled = True

    def take_camera_info(self, data: bytes) -> None:
        """Use this CameraInfo from now on; `data` is its CDR.

        Raises:
            BadImage: it is damaged; the one before stays in use.
        """
        self._calibration.update(_message(data, CameraInfo))

    def answer(self, data: bytes) -> Record:
        """The record of one image; `data` is its CDR."""
        messages, fault = self._labels(), ""
        self._labelled = True
        try:
            messages = [*self._messages(self._answer(data)), *messages]
        except BadImage as error:
            fault = printable(str(error))
        state = {"tracker": self._tracker.state.to_dict(), "hold": vars(self._hold)}
        return Record(self.topics.image, messages, state, fault)

    def _answer(self, data: bytes) -> Answer:
        if self.topics.compressed:
            message = _message(data, CompressedImage)
            picture = rgb_from_compressed(message)
        else:
            message = _message(data, Image)
            picture = rgb_from_image(message)
        header = message.header
        height, width = picture.shape[:2]
        camera, intrinsics, _ = self._calibration.camera(
            width, height, header.frame_id, self._parameters.fallback_hfov_deg
        )
        stamp_s = header.stamp.sec + 1e-9 * header.stamp.nanosec
        hands = self._tracker(picture, camera, stamp_s)
        hands = self._hold(hands, stamp_s, self._parameters.hold_s)
        skeleton = two_hand_skeleton(hands, header, intrinsics)
        return Answer(picture, header, hands, intrinsics, skeleton)

    def _messages(self, answer: Answer) -> _Messages:
        rows = [self._row("skeleton", answer.skeleton)]
        rows += [self._row(topic, ON_DEMAND[topic][2](answer)) for topic in self._wanted]
        if self._parameters.publish_tf:
            transforms = wrist_transforms(answer.skeleton, self._frames)
            if transforms:
                rows.append(self._row("/tf", TFMessage(transforms=transforms)))
        return rows

    def _labels(self) -> _Messages:
        """`label_info`, once, beside the first image."""
        return [] if self._labelled else [self._row("label_info", label_info(Header()))]

    def _row(self, topic: str, message: Any) -> tuple[str, str, bytes]:
        name = topic if topic.startswith("/") else f"{self._namespace}/{topic}"
        return name, type_name(message), cdr(message)
