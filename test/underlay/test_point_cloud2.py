# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs_py of the underlay: clouds there and back, with gaps, steps, counts and NaN."""

import numpy as np
import pytest
from sensor_msgs.msg import PointField
from sensor_msgs_py import point_cloud2
from std_msgs.msg import Header

HEADER = Header(frame_id="eye")


def field(name, offset, datatype=PointField.FLOAT32, count=1):
    return PointField(name=name, offset=offset, datatype=datatype, count=count)


#: As digit's skeleton_points: x, y, z, hand, joint, confidence, with a gap before the last.
FIELDS = [
    field("x", 0),
    field("y", 4),
    field("z", 8),
    field("hand", 12, PointField.UINT8),
    field("joint", 13, PointField.UINT8),
    field("confidence", 16),
]
POINTS = [(1.0, 2.0, 3.0, 0, 20, 0.5), (float("nan"), 0.0, 0.0, 1, 0, 0.25)]


@pytest.fixture
def cloud():
    dtype = point_cloud2.dtype_from_fields(FIELDS, 20)
    return point_cloud2.create_cloud(HEADER, FIELDS, np.array(POINTS, dtype=dtype), 20)


def test_layout(cloud):
    assert (cloud.height, cloud.width, cloud.point_step, cloud.row_step) == (1, 2, 20, 40)
    assert cloud.header.frame_id == "eye" and list(cloud.fields) == FIELDS
    assert not cloud.is_bigendian and len(cloud.data) == 40


def test_there_and_back(cloud):
    points = point_cloud2.read_points(cloud)
    assert points.dtype.names == ("x", "y", "z", "hand", "joint", "confidence")
    assert points["joint"].tolist() == [20, 0]
    assert points["confidence"].tolist() == [0.5, 0.25]


def test_points_with_nan_can_be_left_out(cloud):
    assert len(point_cloud2.read_points(cloud, skip_nans=True)) == 1
    assert len(point_cloud2.read_points(cloud, ["hand"], skip_nans=True)) == 2
    assert point_cloud2.read_points_list(cloud, ["x", "hand"], skip_nans=True) == [(1.0, 0)]


def test_plain_array_of_one_type(cloud):
    xyz = point_cloud2.read_points_numpy(cloud, ["x", "y", "z"], skip_nans=True)
    np.testing.assert_array_equal(xyz, [[1, 2, 3]])
    with pytest.raises(AssertionError, match="same datatype"):
        point_cloud2.read_points_numpy(cloud, ["x", "hand"])


def test_missing_field(cloud):
    with pytest.raises(ValueError, match="no field 'rgb'"):
        point_cloud2.read_points(cloud, ["rgb"])


def test_xyz32_from_lists_and_chosen_points():
    cloud = point_cloud2.create_cloud_xyz32(HEADER, [[0, 1, 2], [3, 4, 5], [6, 7, 8]])
    assert cloud.point_step == 12
    chosen = point_cloud2.read_points_numpy(cloud, uvs=[2, 0])
    np.testing.assert_array_equal(chosen, [[6, 7, 8], [0, 1, 2]])


def test_organized_cloud():
    points = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    cloud = point_cloud2.create_cloud_xyz32(HEADER, points)
    assert (cloud.height, cloud.width) == (2, 4)
    read = point_cloud2.read_points(cloud, reshape_organized_cloud=True)
    assert read.shape == (2, 4) and read["y"][1, 2] == points[1, 2, 1]
    at = point_cloud2.read_points_numpy(cloud, uvs=[(3, 1)])
    np.testing.assert_array_equal(at, [points[1, 3]])


def test_empty_cloud():
    cloud = point_cloud2.create_cloud_xyz32(HEADER, [])
    assert cloud.width == 0 and len(point_cloud2.read_points(cloud)) == 0


def test_a_field_of_several_values():
    fields = [field("x", 0), field("xs", 4, PointField.UINT16, 2)]
    cloud = point_cloud2.create_cloud(HEADER, fields, [[1, 2, 3]])
    points = point_cloud2.read_points(cloud)
    assert points.dtype.names == ("x", "xs_0", "xs_1")
    assert points["xs_1"].tolist() == [3]


def test_big_endian_cloud_with_padded_rows():
    cloud = point_cloud2.create_cloud_xyz32(HEADER, np.zeros((2, 1, 3), np.float32))
    values = np.arange(6, dtype=">f4").reshape(2, 3)
    cloud.is_bigendian, cloud.row_step = True, 16
    cloud.data = b"".join(row.tobytes() + b"\0\0\0\0" for row in values)
    np.testing.assert_array_equal(point_cloud2.read_points_numpy(cloud), values)
