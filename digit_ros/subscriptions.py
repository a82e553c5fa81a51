# SPDX-License-Identifier: Apache-2.0
"""One camera's topics: images, raw or compressed, and CameraInfo, with reliability that matches."""

from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from digit_ros.parameters import Parameters

BEST_EFFORT = QoSReliabilityPolicy.BEST_EFFORT
RELIABLE = QoSReliabilityPolicy.RELIABLE
#: Reliability that a `qos_profile` forces; `auto` is decided by the publishers.
_FORCED = {"sensor_data": BEST_EFFORT, "reliable": RELIABLE}
_TRANSPORTS = {"raw": ("image", Image), "compressed": ("image/compressed", CompressedImage)}


def matching_reliability(offered: list[QoSReliabilityPolicy]) -> QoSReliabilityPolicy:
    """What to ask for when these are offered: reliable only where every publisher is."""
    return RELIABLE if all(one == RELIABLE for one in offered) else BEST_EFFORT


class Subscriptions:
    """Subscribes to one camera while open.

    Attributes:
        image_topic: full name of the image topic, remapping applied.
        camera_info_topic: full name of the CameraInfo topic.
    """

    def __init__(
        self,
        node: LifecycleNode,
        parameters: Parameters,
        on_image: Callable[[Any], None],
        on_camera_info: Callable[[CameraInfo], None],
        say: Callable[[str], None],
    ) -> None:
        """Nothing is subscribed yet; `say` takes a sentence about publishers that do not fit."""
        self._node, self._say = node, say
        self._on_image, self._on_camera_info = on_image, on_camera_info
        self._forced = _FORCED.get(parameters.qos_profile)
        topic, self._type = _TRANSPORTS[parameters.image_transport]
        self.image_topic = node.resolve_topic_name(topic)
        self.camera_info_topic = node.resolve_topic_name("camera_info")
        self._image: Subscription | None = None
        self._camera_info: Subscription | None = None
        self._reliability = BEST_EFFORT

    def open(self) -> None:
        """Subscribe; to images as `match` says, which is to be called again and again."""
        self._camera_info = self._node.create_subscription(
            CameraInfo, self.camera_info_topic, self._on_camera_info, _newest(BEST_EFFORT)
        )
        self.match()

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in (self._image, self._camera_info):
            if subscription is not None:
                self._node.destroy_subscription(subscription)
        self._image = self._camera_info = None

    def match(self) -> None:
        """Subscribe to images once a publisher is there, anew where its reliability changed.

        Who subscribed before the first publisher shows would have to guess its reliability, and
        would lose images while a wrong guess is mended.
        """
        wanted = self._wanted()
        if wanted is None or (self._image is not None and wanted == self._reliability):
            return
        if self._image is not None:
            self._node.destroy_subscription(self._image)
        self._subscribe_to_images(wanted)

    def _wanted(self) -> QoSReliabilityPolicy | None:
        if self._forced is not None:
            return self._forced
        publishers = self._node.get_publishers_info_by_topic(self.image_topic)
        offered = [one.qos_profile.reliability for one in publishers]
        return matching_reliability(offered) if offered else None

    def _subscribe_to_images(self, reliability: QoSReliabilityPolicy) -> None:
        self._reliability = reliability
        self._image = self._node.create_subscription(
            self._type,
            self.image_topic,
            self._on_image,
            _newest(reliability),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._incompatible),
        )

    def _incompatible(self, _event: Any) -> None:
        self._say(
            f"{self.image_topic}: its publisher is best effort but reliable images are asked for;"
            " set qos_profile to auto or sensor_data"
        )


def _newest(reliability: QoSReliabilityPolicy) -> QoSProfile:
    return QoSProfile(depth=1, reliability=reliability)
