# SPDX-License-Identifier: Apache-2.0
"""Where one camera's results go; most of it is made only when somebody subscribes."""

from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from std_msgs.msg import Header
from tf2_ros import TransformBroadcaster

from digit_core.hands import Intrinsics, TwoHands
from digit_ros.image_result import ON_DEMAND, ImageResult
from digit_ros.labels import LABEL_INFO_TYPE, label_info
from digit_ros.markers import clear_markers
from digit_ros.messages import two_hand_skeleton
from digit_ros.msg import TwoHandSkeleton
from digit_ros.parameters import Parameters

_LATCHED = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)


class Outputs:
    """The publishers of one camera's results."""

    def __init__(self, node: LifecycleNode, camera: str) -> None:
        """Make the publishers of a camera, whose name is empty where there is but one."""
        self._node = node
        prefix = f"{camera}/" if camera else ""

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

    def publish(self, result: ImageResult, parameters: Parameters) -> None:
        """Publish one image's results, the skeleton first."""
        self._skeleton.publish(result.skeleton)
        if parameters.publish_tf:
            transforms = result.transforms(fingers=parameters.publish_finger_tf)
            if transforms:
                self._transforms.sendTransform(transforms)
        for topic, publisher in self._on_demand.items():
            if publisher.get_subscription_count():
                publisher.publish(result.message(topic))

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
