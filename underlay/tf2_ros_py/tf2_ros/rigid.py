# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms as (4, 4) matrices, from and to geometry_msgs/Transform."""

import numpy as np
from geometry_msgs.msg import Quaternion, Transform, Vector3
from tf_transformations import quaternion_from_matrix, quaternion_matrix, quaternion_slerp


def matrix_from_msg(transform):
    """The (4, 4) matrix of a geometry_msgs/Transform, metres."""
    rotation, translation = transform.rotation, transform.translation
    matrix = quaternion_matrix([rotation.x, rotation.y, rotation.z, rotation.w])
    matrix[:3, 3] = translation.x, translation.y, translation.z
    return matrix


def msg_from_matrix(matrix):
    """The geometry_msgs/Transform of a (4, 4) matrix, metres."""
    x, y, z = (float(value) for value in matrix[:3, 3])
    qx, qy, qz, qw = (float(value) for value in quaternion_from_matrix(matrix))
    return Transform(
        translation=Vector3(x=x, y=y, z=z), rotation=Quaternion(x=qx, y=qy, z=qz, w=qw)
    )


def inverse(matrix):
    """The inverse of a rigid (4, 4) matrix."""
    result = np.identity(4)
    result[:3, :3] = matrix[:3, :3].T
    result[:3, 3] = -result[:3, :3] @ matrix[:3, 3]
    return result


def interpolate(first, second, share):
    """Between two rigid (4, 4) matrices: places straight, rotations along the great arc."""
    rotation = quaternion_slerp(
        quaternion_from_matrix(first), quaternion_from_matrix(second), share
    )
    matrix = quaternion_matrix(rotation)
    matrix[:3, 3] = (1 - share) * first[:3, 3] + share * second[:3, 3]
    return matrix
