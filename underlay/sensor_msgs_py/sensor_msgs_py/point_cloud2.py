# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs/PointCloud2 from and to NumPy; names and signatures as in the ROS distribution."""

import sys

import numpy as np
from numpy.lib import recfunctions
from sensor_msgs.msg import PointCloud2, PointField

DUMMY_FIELD_PREFIX = "unnamed_field"

_DTYPES = {
    PointField.INT8: np.dtype(np.int8),
    PointField.UINT8: np.dtype(np.uint8),
    PointField.INT16: np.dtype(np.int16),
    PointField.UINT16: np.dtype(np.uint16),
    PointField.INT32: np.dtype(np.int32),
    PointField.UINT32: np.dtype(np.uint32),
    PointField.FLOAT32: np.dtype(np.float32),
    PointField.FLOAT64: np.dtype(np.float64),
}


def dtype_from_fields(fields, point_step=None):
    """The structured dtype of one point; a field with count n becomes name_0 ... name_{n-1}."""
    names, formats, offsets = [], [], []
    for index, field in enumerate(fields):
        dtype = _DTYPES[field.datatype]
        name = field.name or f"{DUMMY_FIELD_PREFIX}_{index}"
        for item in range(field.count):
            names.append(name if field.count == 1 else f"{name}_{item}")
            formats.append(dtype)
            offsets.append(field.offset + item * dtype.itemsize)
    layout = {"names": names, "formats": formats, "offsets": offsets}
    if point_step is not None:
        layout["itemsize"] = point_step
    return np.dtype(layout)


def read_points(cloud, field_names=None, skip_nans=False, uvs=None, reshape_organized_cloud=False):
    """The points as a structured array (N,), or (height, width) when asked for.

    Args:
        cloud: sensor_msgs/PointCloud2.
        field_names: which fields; all when None.
        skip_nans: leave out points with a NaN in any of the fields.
        uvs: which points: indices, or pixels (u, v) of an organized cloud.
        reshape_organized_cloud: give (height, width) for an organized cloud.
    """
    points = _points(cloud)
    if field_names is not None:
        missing = [name for name in field_names if name not in points.dtype.names]
        if missing:
            raise ValueError(f"the cloud has no field {missing[0]!r}, only {points.dtype.names}")
        points = points[list(field_names)]
    if uvs is not None:
        points = points[_indices(uvs, cloud.width)]
    if skip_nans and not cloud.is_dense:
        points = points[_complete(points)]
    if reshape_organized_cloud and cloud.height > 1 and len(points) == cloud.width * cloud.height:
        points = points.reshape(cloud.height, cloud.width)
    return points


def read_points_numpy(
    cloud, field_names=None, skip_nans=False, uvs=None, reshape_organized_cloud=False
):
    """The points as a plain array (N, fields); all fields must be of one type."""
    points = read_points(cloud, field_names, skip_nans, uvs, reshape_organized_cloud)
    kinds = {points.dtype[name] for name in points.dtype.names}
    if len(kinds) != 1:
        raise AssertionError("All fields need to have the same datatype. Use read_points() instead")
    return recfunctions.structured_to_unstructured(points)


def read_points_list(cloud, field_names=None, skip_nans=False, uvs=None):
    """The points as a list of tuples."""
    return [tuple(point) for point in read_points(cloud, field_names, skip_nans, uvs).tolist()]


def create_cloud(header, fields, points, step=None, point_step=None):
    """A PointCloud2 of `points`: a structured array, or (N, fields), or (height, width, fields)."""
    step = point_step if step is None else step
    data = np.asarray(points)
    if data.dtype.names is None:
        data = _structured(data, fields, step)
    height, width = (1, data.shape[0]) if data.ndim == 1 else data.shape
    cloud = PointCloud2(header=header, height=height, width=width, fields=list(fields))
    cloud.is_bigendian = sys.byteorder != "little"
    cloud.is_dense = False
    cloud.point_step = data.dtype.itemsize
    cloud.row_step = cloud.point_step * width
    cloud.data.frombytes(np.ascontiguousarray(data).tobytes())
    return cloud


def create_cloud_xyz32(header, points):
    """A PointCloud2 with the float32 fields x, y, z of `points` (N, 3)."""
    fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate("xyz")
    ]
    return create_cloud(header, fields, points)


def _points(cloud):
    """Every point of the cloud in the machine's byte order, (N,); padding after rows left out."""
    dtype = dtype_from_fields(cloud.fields, cloud.point_step)
    if bool(cloud.is_bigendian) != (sys.byteorder == "big"):
        dtype = dtype.newbyteorder()
    rows = np.frombuffer(bytes(cloud.data), np.uint8)[: cloud.height * cloud.row_step]
    rows = rows.reshape(cloud.height, cloud.row_step)[:, : cloud.width * cloud.point_step]
    points = np.ascontiguousarray(rows).view(dtype).reshape(-1)
    return points.astype(dtype.newbyteorder("=")) if not dtype.isnative else points


def _indices(uvs, width):
    uvs = np.asarray(uvs, dtype=np.int64)
    return uvs if uvs.ndim == 1 else uvs[:, 1] * width + uvs[:, 0]


def _complete(points):
    complete = np.ones(points.shape, bool)
    for name in points.dtype.names:
        if points.dtype[name].kind == "f":
            complete &= ~np.isnan(points[name])
    return complete


def _structured(points, fields, step):
    dtype = dtype_from_fields(fields, step)
    if points.size == 0:
        return np.zeros(0, dtype)
    if points.shape[-1] != len(dtype.names):
        raise ValueError(f"points have {points.shape[-1]} values, the fields {len(dtype.names)}")
    structured = np.zeros(points.shape[:-1], dtype)
    for index, name in enumerate(dtype.names):
        structured[name] = points[..., index]
    return structured
