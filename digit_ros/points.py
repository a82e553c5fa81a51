# SPDX-License-Identifier: Apache-2.0
"""A skeleton message as a point cloud: one point for each joint that has a position."""

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from sensor_msgs_py import point_cloud2

from digit_ros.messages import points_array
from digit_ros.msg import HandSkeleton, TwoHandSkeleton

LEFT, RIGHT = 0, 1
#: Name, byte offset and type of each field; the points are packed without gaps.
_LAYOUT = (
    ("x", 0, PointField.FLOAT32),
    ("y", 4, PointField.FLOAT32),
    ("z", 8, PointField.FLOAT32),
    ("hand", 12, PointField.UINT8),
    ("joint", 13, PointField.UINT8),
    ("confidence", 14, PointField.FLOAT32),
)


def skeleton_points(skeleton: TwoHandSkeleton) -> PointCloud2:
    """Unordered cloud in the message's frame.

    Fields: x, y, z float32 metres; hand uint8 (0 left, 1 right); joint uint8, public order;
    confidence float32.
    """
    fields = _fields()
    dtype = point_cloud2.dtype_from_fields(fields)
    left, right = _records(skeleton.left, LEFT, dtype), _records(skeleton.right, RIGHT, dtype)
    points = np.concatenate([left, right])
    cloud: PointCloud2 = point_cloud2.create_cloud(skeleton.header, fields, points)
    cloud.is_dense = True
    return cloud


def _fields() -> list[PointField]:
    return [
        PointField(name=name, offset=offset, datatype=datatype, count=1)
        for name, offset, datatype in _LAYOUT
    ]


def _records(hand: HandSkeleton, number: int, dtype: np.dtype) -> np.ndarray:
    """(N,) records of the joints of one HandSkeleton that have a position."""
    places = points_array(hand.positions)
    known = np.flatnonzero(np.isfinite(places).all(axis=1))
    records = np.zeros(len(known), dtype)
    for axis, name in enumerate("xyz"):
        records[name] = places[known, axis]
    records["hand"], records["joint"] = number, known
    records["confidence"] = np.asarray(hand.confidences)[known]
    return records
