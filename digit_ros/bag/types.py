# SPDX-License-Identifier: Apache-2.0
"""The message types that a recording is written with: the common interfaces' and our own."""

from functools import cache
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from rclpy.serialization import serialize_message
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore


@cache
def typestore() -> Typestore:
    """The latest distribution's types, and ours from the installed msg/ folder."""
    store = get_typestore(Stores.LATEST)
    folder = Path(get_package_share_directory("digit_ros")) / "msg"
    types = {}
    for file in sorted(folder.glob("*.msg")):
        types.update(get_types_from_msg(file.read_text(), f"digit_ros/msg/{file.stem}"))
    store.register(types)
    return store


def type_name(message: Any) -> str:
    """For example "sensor_msgs/msg/Image"."""
    kind = type(message)
    return f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"


def cdr(message: Any) -> bytes:
    """The message's CDR, the same bytes every time.

    rclpy leaves whatever lies in memory between the fields; rosbags writes zeros there.
    """
    store, name = typestore(), type_name(message)
    if name not in store.fielddefs:
        return serialize_message(message)
    return bytes(store.serialize_cdr(store.deserialize_cdr(serialize_message(message), name), name))
