# SPDX-License-Identifier: Apache-2.0
"""One camera, from its messages to its results: the same for node, recordings and demo."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from digit_core.camera import Camera
from digit_core.depth_image import DepthImage
from digit_core.hands import Intrinsics, TwoHands
from digit_core.request import DepthGiver, ImageRequest
from digit_core.track_state import TrackState
from digit_core.tracker import Run
from digit_ros.calibration import Calibration
from digit_ros.depth_buffer import DepthBuffer
from digit_ros.dropout_hold import DropoutHold
from digit_ros.external_boxes import ExternalBoxes
from digit_ros.image_result import ImageResult
from digit_ros.images import BadImage, rgb_from_compressed, rgb_from_image
from digit_ros.messages import FrameNames, two_hand_skeleton
from digit_ros.parameters import Parameters
from digit_ros.registered_depth import registered_depth

#: A depth image that has not arrived yet is waited for so long.
_DEPTH_WAIT_S = 0.03


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """An image message, ready for the estimator.

    Attributes:
        state: the camera's state.
        request: what the estimator is asked.
        header: the image's.
        intrinsics: where the camera of `request` comes from.
        camera_note: why the CameraInfo does not serve, or what is odd about it; empty when all is
            well.
    """

    state: TrackState
    request: ImageRequest
    header: Header
    intrinsics: Intrinsics
    camera_note: str

    @property
    def job(self) -> tuple[TrackState, ImageRequest]:
        """As `DigitEstimator.run` takes it."""
        return self.state, self.request


class CameraPipeline:
    """Turns a camera's messages into requests for the estimator, and its hands into messages.

    Knows no node, thread or quality of service. Its `take_...` methods may be called from another
    thread than the rest.

    Attributes:
        state: the camera's state, which the estimator updates.
    """

    def __init__(
        self,
        image_topic: str,
        parameters: Callable[[], Parameters],
        reference_m: float,
        namespace: str = "",
        on_depth_fault: Callable[[str], object] = lambda _: None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing has arrived yet.

        Args:
            image_topic: its name tells whether images are rectified where nobody says so.
            parameters: gives the parameters as they are now.
            reference_m: size of the hands whose depths the network tells, metres.
            namespace: put before the frames' names, for example "left/".
            on_depth_fault: takes a sentence about a depth image that is missing or does not serve.
            clock_s: any monotonic clock.
        """
        self._image_topic, self._parameters = image_topic, parameters
        self._reference_m, self._on_depth_fault = reference_m, on_depth_fault
        self._frame_names = frame_names(parameters(), namespace)
        self._depths, self._boxes = DepthBuffer(clock_s), ExternalBoxes(clock_s)
        self._hold, self._calibration = DropoutHold(), Calibration(self._is_rectified)
        self._applied = now = parameters()
        self.state = TrackState(now.settings(), now.hand_scale(reference_m))

    @property
    def _is_rectified(self) -> bool:
        rectified = self._parameters().rectified
        return "rect" in self._image_topic if rectified == "auto" else rectified == "true"

    def restart(self) -> None:
        """Forget hands and CameraInfo; what is known of the hands' size stays."""
        self.forget_hands()
        self._calibration = Calibration(self._is_rectified)

    def forget_hands(self) -> None:
        """Follow and hold no hand any more."""
        self.state.reset()
        self._hold.reset()

    def take_camera_info(self, info: CameraInfo) -> None:
        """Use this CameraInfo from now on; a bad one shows at the next image."""
        self._calibration.update(info)

    def take_depth(self, message: Image) -> None:
        """Keep a depth image for the image that it belongs to."""
        self._depths.put(message)

    def take_box(self, region: RegionOfInterest) -> None:
        """Keep a box about a hand; one without extent says that there is none."""
        self._boxes.put(region)

    def prepare(self, message: Image | CompressedImage, received_s: float) -> PreparedImage:
        """Read one image.

        Args:
            message: the image.
            received_s: when it came, by any clock; stands in for the stamp of a driver that stamps
                nothing, as that still sends images one after the other.

        Raises:
            BadImage: it cannot be read; the sentence says why.
        """
        raw = isinstance(message, Image)
        image = rgb_from_image(message) if raw else rgb_from_compressed(message)
        self._apply_parameters()
        header = message.header
        camera, intrinsics, note = self._camera(image, header)
        stamp_s = header.stamp.sec + 1e-9 * header.stamp.nanosec
        request = ImageRequest(
            image, camera, stamp_s or received_s, self._given_boxes(), self._depth(image, header)
        )
        return PreparedImage(self.state, request, header, intrinsics, note)

    def result(self, prepared: PreparedImage, hands: TwoHands) -> ImageResult:
        """What the estimator found, a hand that is lost for a moment held, as messages."""
        stamp_s, header = prepared.request.stamp_s or 0.0, prepared.header
        held = self._hold(hands, stamp_s, self._parameters().hold_s)
        skeleton = two_hand_skeleton(held, header, prepared.intrinsics)
        image = prepared.request.image
        return ImageResult(image, header, held, prepared.intrinsics, skeleton, self._frame_names)

    def process(self, message: Image | CompressedImage, received_s: float, run: Run) -> ImageResult:
        """One image alone through the estimator's `run`; see `prepare`.

        Raises:
            BadImage: it cannot be read; the sentence says why.
        """
        prepared = self.prepare(message, received_s)
        (hands,) = run([prepared.job])
        return self.result(prepared, hands)

    def to_dict(self) -> dict[str, Any]:
        """All that images leave behind, in plain numbers that JSON can hold."""
        return {"track": self.state.to_dict(), "hold": self._hold.to_dict()}

    def resume(self, values: Mapping[str, Any]) -> None:
        """Go on from where `to_dict` was called, to the last bit.

        Raises:
            ValueError: the values are none that `to_dict` gives.
        """
        if not {"track", "hold"} <= values.keys():
            raise ValueError("a camera's state: expected track and hold")
        hold = DropoutHold.from_dict(values["hold"])
        self.state, self._hold = TrackState.from_dict(values["track"]), hold

    def _apply_parameters(self) -> None:
        now = self._parameters()
        if now is not self._applied:
            self.state.settings = now.settings()
            self.state.scale = now.hand_scale(self._reference_m)
            self._applied = now

    def _camera(self, image: np.ndarray, header: Header) -> tuple[Camera | None, Intrinsics, str]:
        height, width = image.shape[:2]
        fallback_deg = self._parameters().fallback_hfov_deg
        return self._calibration.camera(width, height, header.frame_id, fallback_deg)

    def _given_boxes(self) -> list[np.ndarray] | None:
        return self._boxes.now() if self._parameters().detector == "boxes" else None

    def _depth(self, image: np.ndarray, header: Header) -> DepthGiver | None:
        if self._parameters().depth_source != "depth_image":
            return None
        height, width = image.shape[:2]
        return lambda: self._depth_of((height, width), header)

    def _depth_of(self, shape: tuple[int, int], header: Header) -> DepthImage | None:
        """The depth image of an image; what is wrong with it is told, and hand size serves."""
        tolerance_s = self._parameters().depth_tolerance_s
        message = self._depths.nearest(header.stamp, tolerance_s, _DEPTH_WAIT_S)
        if message is None:
            self._on_depth_fault(
                f"no depth image within {tolerance_s:g} s of an image; hand size is used"
                " (see depth_tolerance_s)"
            )
            return None
        try:
            return registered_depth(message, shape, header.frame_id)
        except BadImage as error:
            self._on_depth_fault(f"{error}; hand size is used")
            return None


def frame_names(parameters: Parameters, namespace: str) -> FrameNames:
    """How a camera's hands are called on /tf; `namespace` is empty or ends in a slash."""
    prefix = parameters.tf_prefix + namespace
    return FrameNames(prefix, parameters.left_name, parameters.right_name)
