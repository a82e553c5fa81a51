# SPDX-License-Identifier: Apache-2.0
"""One processed image and the messages that are made of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseArray, TransformStamped
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from digit_core.draw import color_parts, draw_hands
from digit_core.hands import Intrinsics, TwoHands
from digit_ros.images import image_from_array
from digit_ros.joint_frames import finger_transforms
from digit_ros.markers import skeleton_markers
from digit_ros.messages import FrameNames, two_hand_skeleton, wrist_transforms
from digit_ros.msg import TwoHandSkeleton
from digit_ros.openxr_poses import openxr_poses
from digit_ros.points import skeleton_points


@dataclass(frozen=True, eq=False)
class ImageResult:
    """One processed image.

    Attributes:
        image: (H, W, 3) uint8 RGB, the image itself.
        header: the image's.
        hands: what was found.
        intrinsics: where the camera came from.
        skeleton: the message of `hands`.
        frame_names: of the hands' frames.
    """

    image: np.ndarray
    header: Header
    hands: TwoHands
    intrinsics: Intrinsics
    skeleton: TwoHandSkeleton
    frame_names: FrameNames = FrameNames()

    def transforms(self, *, fingers: bool) -> list[TransformStamped]:
        """The known wrists' frames, and each finger's from its parent where asked for."""
        wrists = wrist_transforms(self.skeleton, self.frame_names)
        if not (wrists and fingers):
            return wrists
        return wrists + finger_transforms(self.skeleton, self.frame_names)

    def message(self, topic: str) -> Any:
        """The message for a topic of `ON_DEMAND`."""
        return ON_DEMAND[topic][2](self)


def _raw_skeleton(result: ImageResult) -> TwoHandSkeleton:
    return two_hand_skeleton(result.hands.raw or result.hands, result.header, result.intrinsics)


def _segmentation(result: ImageResult) -> Image:
    return image_from_array(result.hands.segmentation, "mono8", result.header)


def _segmentation_color(result: ImageResult) -> Image:
    return image_from_array(color_parts(result.hands.segmentation), "rgb8", result.header)


def _overlay(result: ImageResult) -> Image:
    return image_from_array(draw_hands(result.image, result.hands), "rgb8", result.header)


def _markers(result: ImageResult) -> MarkerArray:
    return skeleton_markers(result.skeleton)


def _points(result: ImageResult) -> PointCloud2:
    return skeleton_points(result.skeleton)


def _openxr(result: ImageResult) -> PoseArray:
    return openxr_poses(result.skeleton)


#: Topic -> type, queue, and how its message is made; only for who wants it.
ON_DEMAND: dict[str, tuple[type, int, Callable[[ImageResult], Any]]] = {
    "skeleton_raw": (TwoHandSkeleton, 5, _raw_skeleton),
    "segmentation": (Image, 1, _segmentation),
    "segmentation_color": (Image, 1, _segmentation_color),
    "overlay": (Image, 1, _overlay),
    "markers": (MarkerArray, 1, _markers),
    "skeleton_points": (PointCloud2, 1, _points),
    "hands_openxr": (PoseArray, 5, _openxr),
}
