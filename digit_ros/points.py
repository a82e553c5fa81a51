# SPDX-License-Identifier: Apache-2.0
"""A skeleton message as a point cloud: one point for each joint whose place is known."""

from array import array

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField

from digit_ros.messages import points_array
from digit_ros.msg import HandSkeleton, TwoHandSkeleton

LEFT, RIGHT = 0, 1
_KINDS = {"f4": PointField.FLOAT32, "u1": PointField.UINT8}
_LAYOUT = (
    ("x", "f4"),
    ("y", "f4"),
    ("z", "f4"),
    ("hand", "u1"),
    ("joint", "u1"),
    ("confidence", "f4"),
)
_DTYPE = np.dtype([(name, "<" + kind) for name, kind in _LAYOUT])
_OFFSETS = {name: offset for name, (_, offset, *_) in (_DTYPE.fields or {}).items()}


def skeleton_points(skeleton: TwoHandSkeleton) -> PointCloud2:
    """Unordered cloud in the message's frame.

    Fields: x, y, z float32 metres; hand uint8 (0 left, 1 right); joint uint8, public order;
    confidence float32.
    """
    cloud = np.concatenate([_records(skeleton.left, LEFT), _records(skeleton.right, RIGHT)])
    message = PointCloud2(header=skeleton.header, height=1, width=len(cloud), is_dense=True)
    message.fields = [
        PointField(name=name, offset=_OFFSETS[name], datatype=_KINDS[kind], count=1)
        for name, kind in _LAYOUT
    ]
    message.point_step = _DTYPE.itemsize
    message.row_step = _DTYPE.itemsize * len(cloud)
    message.data = array("B", cloud.tobytes())
    return message


def _records(hand: HandSkeleton, number: int) -> np.ndarray:
    """(N,) records of the joints of one HandSkeleton whose place is known."""
    places = points_array(hand.positions)
    known = np.flatnonzero(np.isfinite(places).all(axis=1))
    records = np.zeros(len(known), _DTYPE)
    for axis, name in enumerate("xyz"):
        records[name] = places[known, axis]
    records["hand"], records["joint"] = number, known
    records["confidence"] = np.asarray(hand.confidences)[known]
    return records
