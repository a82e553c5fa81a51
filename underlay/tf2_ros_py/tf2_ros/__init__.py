# SPDX-License-Identifier: Apache-2.0
"""Coordinate frames on /tf and /tf_static; names and signatures as in the ROS distribution."""

from tf2_ros.broadcaster import StaticTransformBroadcaster, TransformBroadcaster
from tf2_ros.buffer import (
    Buffer,
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    TransformException,
)
from tf2_ros.listener import TransformListener

__all__ = [
    "Buffer",
    "ConnectivityException",
    "ExtrapolationException",
    "InvalidArgumentException",
    "LookupException",
    "StaticTransformBroadcaster",
    "TransformBroadcaster",
    "TransformException",
    "TransformListener",
]
