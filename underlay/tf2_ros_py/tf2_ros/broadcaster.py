# SPDX-License-Identifier: Apache-2.0
"""Send coordinate frames: moving ones on /tf, fixed ones once and latched on /tf_static."""

from geometry_msgs.msg import TransformStamped
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile
from tf2_msgs.msg import TFMessage


class TransformBroadcaster:
    """Publishes moving frames on /tf."""

    def __init__(self, node, qos=None):
        self.pub_tf = node.create_publisher(TFMessage, "/tf", qos or QoSProfile(depth=100))

    def sendTransform(self, transform):
        """Send one geometry_msgs/TransformStamped or a list of them."""
        self.pub_tf.publish(TFMessage(transforms=_as_list(transform)))


class StaticTransformBroadcaster:
    """Publishes fixed frames on /tf_static; who comes later gets them all."""

    QOS = QoSProfile(
        depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, history=HistoryPolicy.KEEP_LAST
    )

    def __init__(self, node, qos=None):
        self.pub_tf = node.create_publisher(TFMessage, "/tf_static", qos or self.QOS)
        self.net_message = TFMessage()
        self._frames = {}

    def sendTransform(self, transform):
        """Add or replace one TransformStamped or a list, and send all that was ever added."""
        for stamped in _as_list(transform):
            self._frames[stamped.child_frame_id] = stamped
        self.net_message = TFMessage(transforms=list(self._frames.values()))
        self.pub_tf.publish(self.net_message)


def _as_list(transform):
    if isinstance(transform, TransformStamped):
        return [transform]
    return list(transform)
