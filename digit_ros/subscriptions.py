# SPDX-License-Identifier: Apache-2.0
"""One camera's topics: images, raw or compressed, CameraInfo; depth and boxes where asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSPolicyKind, QoSProfile, QoSReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest

from digit_ros.parameters import Parameters

BEST_EFFORT = QoSReliabilityPolicy.BEST_EFFORT
RELIABLE = QoSReliabilityPolicy.RELIABLE
#: Reliability that a `qos_profile` forces; `auto` is decided by the publishers.
_FORCED = {"sensor_data": BEST_EFFORT, "reliable": RELIABLE}
_TRANSPORTS = {"raw": ("image", Image), "compressed": ("image/compressed", CompressedImage)}
#: Parameters such as qos_overrides./depth.subscription.reliability go over what is chosen here.
_OVERRIDES = QoSOverridingOptions.with_default_policies()
#: Of images only the queue: rclpy keeps the first value of an override for good, but the images'
#: reliability follows the publishers; `_overridden_reliability` is theirs.
_IMAGE_OVERRIDES = QoSOverridingOptions([QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH])
_FREE = "auto"
#: A depth image may be some frames older or newer than the image it belongs to.
_DEPTH_QUEUE, _BOXES_QUEUE = 5, 10


@dataclass(frozen=True)
class Handlers:
    """What is done with each kind of message."""

    image: Callable[[Any], None]
    camera_info: Callable[[CameraInfo], None]
    depth: Callable[[Image], None]
    boxes: Callable[[RegionOfInterest], None]


def matching_reliability(offered: list[QoSReliabilityPolicy]) -> QoSReliabilityPolicy:
    """What to ask for when these are offered: reliable only where every publisher is."""
    return RELIABLE if all(one == RELIABLE for one in offered) else BEST_EFFORT


class Subscriptions:
    """Subscribes to one camera while open.

    Attributes:
        image_topic: full name of the image topic, remapping applied.
        camera_info_topic: full name of the CameraInfo topic.
        depth_topic: full name of the topic of depth images.
    """

    def __init__(
        self,
        node: LifecycleNode,
        camera: str,
        parameters: Parameters,
        handlers: Handlers,
        say: Callable[[str], None],
    ) -> None:
        """Nothing is subscribed yet; `say` takes a sentence about publishers that do not fit.

        Raises:
            ValueError: an override of the images' reliability is none that there is.
        """
        self._node, self._say, self._handlers = node, say, handlers
        topic, self._type = _TRANSPORTS[parameters.image_transport]
        prefix = f"{camera}/" if camera else ""
        self.image_topic = node.resolve_topic_name(prefix + topic)
        overridden = _overridden_reliability(node, self.image_topic)
        self._forced = overridden or _FORCED.get(parameters.qos_profile)
        self.camera_info_topic = node.resolve_topic_name(prefix + "camera_info")
        self.depth_topic = node.resolve_topic_name(prefix + "depth")
        self._beside = {self.camera_info_topic: (CameraInfo, handlers.camera_info, 1)}
        if parameters.depth_source == "depth_image":
            self._beside[self.depth_topic] = (Image, handlers.depth, _DEPTH_QUEUE)
        if parameters.detector == "boxes":
            boxes_topic = node.resolve_topic_name(prefix + "boxes")
            self._beside[boxes_topic] = (RegionOfInterest, handlers.boxes, _BOXES_QUEUE)
        self._image: Subscription | None = None
        self._others: list[Subscription] = []
        self._reliability = BEST_EFFORT

    def open(self) -> None:
        """Subscribe; to images as `match` says, which is to be called again and again."""
        self._others = [
            self._node.create_subscription(
                kind, topic, handler, _last(BEST_EFFORT, depth), qos_overriding_options=_OVERRIDES
            )
            for topic, (kind, handler, depth) in self._beside.items()
        ]
        self.match()

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in (self._image, *self._others):
            if subscription is not None:
                self._node.destroy_subscription(subscription)
        self._image, self._others = None, []

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

    @property
    def has_publisher(self) -> bool:
        """Whether anybody publishes images."""
        return self._node.count_publishers(self.image_topic) > 0

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
            self._handlers.image,
            _last(reliability),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._incompatible),
            qos_overriding_options=_IMAGE_OVERRIDES,
        )

    def _incompatible(self, _event: Any) -> None:
        self._say(
            f"{self.image_topic}: its publisher is best effort but reliable images are asked for;"
            " set qos_profile to auto or sensor_data"
        )


def _overridden_reliability(node: LifecycleNode, topic: str) -> QoSReliabilityPolicy | None:
    """What the parameter qos_overrides.TOPIC.subscription.reliability says; None where nobody did.

    Raises:
        ValueError: it is no reliability.
    """
    name = f"qos_overrides.{topic}.subscription.reliability"
    if not node.has_parameter(name):
        about = ParameterDescriptor(
            description="best_effort, reliable; auto: as qos_profile says.", read_only=True
        )
        node.declare_parameter(name, _FREE, about)
    value = node.get_parameter(name).value
    allowed = {one.name.lower(): one for one in (BEST_EFFORT, RELIABLE)}
    if value != _FREE and value not in allowed:
        raise ValueError(f"{name}: '{value}' is none of {_FREE}, {', '.join(allowed)}")
    return allowed.get(value)


def _last(reliability: QoSReliabilityPolicy, depth: int = 1) -> QoSProfile:
    return QoSProfile(depth=depth, reliability=reliability)
