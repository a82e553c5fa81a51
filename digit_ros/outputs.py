# SPDX-License-Identifier: Apache-2.0
"""Where one camera's results go; most of it is made only when somebody subscribes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseArray
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header
from tf2_ros import TransformBroadcaster
from visualization_msgs.msg import MarkerArray

from digit_core.draw import color_parts, draw_hands
from digit_core.hands import Intrinsics, TwoHands
from digit_ros.images import image_from_array
from digit_ros.joint_frames import finger_transforms
from digit_ros.labels import LABEL_INFO_TYPE, label_info
from digit_ros.markers import clear_markers, skeleton_markers
from digit_ros.messages import FrameNames, two_hand_skeleton, wrist_transforms
from digit_ros.msg import TwoHandSkeleton
from digit_ros.openxr_poses import openxr_poses
from digit_ros.parameters import Parameters
from digit_ros.points import skeleton_points

_LATCHED = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)


@dataclass(frozen=True)
class Answer:
    """One processed image.

    Attributes:
        picture: (H, W, 3) uint8 RGB, the image itself.
        header: the image's.
        hands: what was found.
        intrinsics: where the camera came from.
        skeleton: the message of `hands`.
    """

    picture: np.ndarray
    header: Header
    hands: TwoHands
    intrinsics: Intrinsics
    skeleton: TwoHandSkeleton


def _raw_skeleton(answer: Answer) -> TwoHandSkeleton:
    return two_hand_skeleton(answer.hands.raw or answer.hands, answer.header, answer.intrinsics)


def _segmentation(answer: Answer) -> Image:
    return image_from_array(answer.hands.segmentation, "mono8", answer.header)


def _segmentation_color(answer: Answer) -> Image:
    return image_from_array(color_parts(answer.hands.segmentation), "rgb8", answer.header)


def _overlay(answer: Answer) -> Image:
    return image_from_array(draw_hands(answer.picture, answer.hands), "rgb8", answer.header)


def _markers(answer: Answer) -> MarkerArray:
    return skeleton_markers(answer.skeleton)


def _points(answer: Answer) -> PointCloud2:
    return skeleton_points(answer.skeleton)


def _openxr(answer: Answer) -> PoseArray:
    return openxr_poses(answer.skeleton)


#: Topic -> type, queue, and how its message is made; only when subscribed.
ON_DEMAND: dict[str, tuple[type, int, Callable[[Answer], Any]]] = {
    "skeleton_raw": (TwoHandSkeleton, 5, _raw_skeleton),
    "segmentation": (Image, 1, _segmentation),
    "segmentation_color": (Image, 1, _segmentation_color),
    "overlay": (Image, 1, _overlay),
    "markers": (MarkerArray, 1, _markers),
    "skeleton_points": (PointCloud2, 1, _points),
    "hands_openxr": (PoseArray, 5, _openxr),
}


class Outputs:
    """The publishers of one camera's results."""

    def __init__(self, node: LifecycleNode, camera: str, parameters: Parameters) -> None:
        """Make the publishers of a camera, whose name is empty where there is but one."""
        self._node = node
        prefix = f"{camera}/" if camera else ""
        self._names = FrameNames(
            parameters.tf_prefix + prefix, parameters.left_name, parameters.right_name
        )

        def publisher(kind: type, topic: str, qos: Any) -> LifecyclePublisher:
            return node.create_lifecycle_publisher(
                kind,
                prefix + topic,
                qos,
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )

        self._skeleton = publisher(TwoHandSkeleton, "skeleton", 5)
        self._labels = publisher(LABEL_INFO_TYPE, "label_info", _LATCHED)
        self._on_demand = {
            topic: publisher(kind, topic, depth) for topic, (kind, depth, _) in ON_DEMAND.items()
        }
        self._transforms = TransformBroadcaster(node)

    def publish_labels(self) -> None:
        """Latch the meaning of the labels; once an activation."""
        stamp = self._node.get_clock().now().to_msg()
        self._labels.publish(label_info(Header(stamp=stamp)))

    def wanted(self, parameters: Parameters) -> list[str]:
        """Topics that somebody subscribes to, as far as they come from images."""
        publishers = {"skeleton": self._skeleton, **self._on_demand}
        if parameters.publish_tf:
            publishers["/tf"] = self._transforms.pub_tf
        return [t for t, publisher in publishers.items() if publisher.get_subscription_count()]

    def publish(self, answer: Answer, parameters: Parameters) -> None:
        """Publish one image's results, the skeleton first."""
        self._skeleton.publish(answer.skeleton)
        if parameters.publish_tf:
            transforms = wrist_transforms(answer.skeleton, self._names)
            if transforms and parameters.publish_finger_tf:
                transforms += finger_transforms(answer.skeleton, self._names)
            if transforms:
                self._transforms.sendTransform(transforms)
        for topic, publisher in self._on_demand.items():
            if publisher.get_subscription_count():
                publisher.publish(ON_DEMAND[topic][2](answer))

    def publish_absent(self, header: Header) -> None:
        """A skeleton without hands, filtered and not, for when no image tells of any."""
        nobody = TwoHands(None, None, np.zeros((0, 0), np.uint8))
        skeleton = two_hand_skeleton(nobody, header, Intrinsics.NONE)
        for publisher in (self._skeleton, self._on_demand["skeleton_raw"]):
            publisher.publish(skeleton)

    def clear(self) -> None:
        """Take the markers away; call while the publishers are still active."""
        if not self._node.context.ok():
            return
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._on_demand["markers"].publish(clear_markers(header))

    def destroy(self) -> None:
        """Take the topics down."""
        for publisher in (self._skeleton, self._labels, *self._on_demand.values()):
            self._node.destroy_lifecycle_publisher(publisher)
        self._node.destroy_publisher(self._transforms.pub_tf)
