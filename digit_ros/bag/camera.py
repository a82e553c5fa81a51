# SPDX-License-Identifier: Apache-2.0
"""One camera of a recording: its CDR through the node's own pipeline to a journal's records."""

from typing import Any

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from digit_core.estimator import DigitEstimator
from digit_core.printable import printable
from digit_ros.bag.input import CameraTopics
from digit_ros.bag.journal import Message, Record
from digit_ros.bag.types import cdr, type_name
from digit_ros.camera_pipeline import CameraPipeline
from digit_ros.image_result import ImageResult
from digit_ros.images import BadImage
from digit_ros.labels import label_info
from digit_ros.parameters import Parameters


class RecordedCamera:
    """Answers the images of one camera, one after another.

    Attributes:
        topics: where they come from.
    """

    def __init__(
        self,
        topics: CameraTopics,
        estimator: DigitEstimator,
        parameters: Parameters,
        namespace: str,
        wanted: list[str],
    ) -> None:
        """Write below `namespace`, "" or "/name"; `wanted` are topics of `ON_DEMAND`."""
        self.topics, self._run = topics, estimator.run
        self._parameters, self._namespace, self._wanted = parameters, namespace, wanted
        self._pipeline = CameraPipeline(
            topics.image,
            lambda: parameters,
            estimator.networks.hand_size_m,
            namespace.strip("/") + "/" if namespace else "",
        )
        self._image_type = CompressedImage if topics.compressed else Image
        self._labelled = False

    def resume(self, record: Record) -> None:
        """Go on after the record of an earlier run.

        Raises:
            ValueError: its state is none that a camera has.
        """
        self._pipeline.resume(record.state)
        self._labelled = True

    def take_camera_info(self, data: bytes) -> None:
        """Use this CameraInfo from now on; `data` is its CDR.

        Raises:
            BadImage: it is damaged; the one before stays in use.
        """
        self._pipeline.take_camera_info(_message(data, CameraInfo))

    def answer(self, data: bytes, recorded_s: float) -> Record:
        """The record of one image; `data` is its CDR, `recorded_s` when it was recorded."""
        messages, fault = self._labels(), ""
        self._labelled = True
        try:
            image = _message(data, self._image_type)
            result = self._pipeline.process(image, recorded_s, self._run)
            messages = [*self._messages(result), *messages]
        except BadImage as error:
            fault = printable(str(error))
        return Record(self.topics.image, messages, self._pipeline.to_dict(), fault)

    def _messages(self, result: ImageResult) -> list[Message]:
        rows = [self._row("skeleton", result.skeleton)]
        rows += [self._row(topic, result.message(topic)) for topic in self._wanted]
        if self._parameters.publish_tf:
            transforms = result.transforms(fingers=self._parameters.publish_finger_tf)
            if transforms:
                rows.append(self._row("/tf", TFMessage(transforms=transforms)))
        return rows

    def _labels(self) -> list[Message]:
        """`label_info`, once, beside the first image."""
        return [] if self._labelled else [self._row("label_info", label_info(Header()))]

    def _row(self, topic: str, message: Any) -> Message:
        name = topic if topic.startswith("/") else f"{self._namespace}/{topic}"
        return name, type_name(message), cdr(message)


def _message(data: bytes, kind: type) -> Any:
    try:
        return deserialize_message(data, kind)
    except Exception as error:  # rclpy's own, which it does not name
        raise BadImage(f"a message of {len(data)} bytes is no {kind.__name__}") from error
