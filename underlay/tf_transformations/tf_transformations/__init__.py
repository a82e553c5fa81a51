# SPDX-License-Identifier: Apache-2.0
"""Quaternions (x, y, z, w) and homogeneous matrices (4, 4); angles in radians, float64.

Names and signatures are those of the ROS package tf_transformations.
"""

import math

import numpy as np

_AXES = {"x": 0, "y": 1, "z": 2}


def identity_matrix():
    """The (4, 4) matrix that moves nothing."""
    return np.identity(4)


def translation_matrix(direction):
    """The (4, 4) matrix that moves by `direction` (3,)."""
    matrix = np.identity(4)
    matrix[:3, 3] = np.asarray(direction, dtype=np.float64)[:3]
    return matrix


def translation_from_matrix(matrix):
    """The translation (3,) of a (4, 4) matrix."""
    return np.array(matrix, dtype=np.float64)[:3, 3].copy()


def concatenate_matrices(*matrices):
    """The product of (4, 4) matrices, the first leftmost."""
    product = np.identity(4)
    for matrix in matrices:
        product = product @ np.asarray(matrix, dtype=np.float64)
    return product


def inverse_matrix(matrix):
    """The inverse of a square matrix."""
    return np.linalg.inv(matrix)


def unit_vector(data, axis=None, out=None):
    """`data` divided by its Euclidean length, over `axis` or over all of it."""
    data = np.array(data, dtype=np.float64)
    unit = data / np.sqrt(np.sum(data * data, axis=axis, keepdims=axis is not None))
    if out is None:
        return unit
    out[...] = unit
    return None


def vector_norm(data, axis=None, out=None):
    """Euclidean length of `data` over `axis` or over all of it."""
    length = np.sqrt(np.sum(np.square(np.asarray(data, dtype=np.float64)), axis=axis))
    if out is None:
        return length
    out[...] = length
    return None


def quaternion_about_axis(angle, axis):
    """The quaternion that turns by `angle` radians about `axis` (3,)."""
    x, y, z = unit_vector(np.asarray(axis, dtype=np.float64)[:3]) * math.sin(angle / 2)
    return np.array([x, y, z, math.cos(angle / 2)])


def quaternion_multiply(quaternion1, quaternion0):
    """The Hamilton product quaternion1 * quaternion0: first turn by quaternion0."""
    x1, y1, z1, w1 = quaternion1
    x0, y0, z0, w0 = quaternion0
    return np.array(
        [
            w1 * x0 + x1 * w0 + y1 * z0 - z1 * y0,
            w1 * y0 - x1 * z0 + y1 * w0 + z1 * x0,
            w1 * z0 + x1 * y0 - y1 * x0 + z1 * w0,
            w1 * w0 - x1 * x0 - y1 * y0 - z1 * z0,
        ],
        dtype=np.float64,
    )


def quaternion_conjugate(quaternion):
    """The quaternion with its vector part negated."""
    x, y, z, w = quaternion
    return np.array([-x, -y, -z, w], dtype=np.float64)


def quaternion_inverse(quaternion):
    """The quaternion q with q * quaternion = (0, 0, 0, 1)."""
    return quaternion_conjugate(quaternion) / np.dot(quaternion, quaternion)


def quaternion_matrix(quaternion):
    """The (4, 4) rotation matrix of a quaternion of any length but zero."""
    q = np.array(quaternion, dtype=np.float64)
    matrix = np.identity(4)
    square = float(q @ q)
    if square < 1e-15:
        return matrix
    x, y, z, w = q
    # R = I + 2/|q|^2 (w [v] + [v]^2), [v] the cross product matrix of the vector part.
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    matrix[:3, :3] += 2.0 / square * (w * cross + cross @ cross)
    return matrix


def quaternion_from_matrix(matrix):
    """The unit quaternion of the rotation in a (3, 3) or (4, 4) matrix.

    It is the eigenvector of the largest eigenvalue of a symmetric (4, 4) matrix (Bar-Itzhack
    2000), which holds for every rotation and finds the nearest one to a matrix with rounding.
    """
    r = np.asarray(matrix, dtype=np.float64)[:3, :3]
    k = np.zeros((4, 4))
    k[:3, :3] = r + r.T - np.trace(r) * np.identity(3)
    k[:3, 3] = k[3, :3] = (r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1])
    k[3, 3] = np.trace(r)
    quaternion = np.linalg.eigh(k)[1][:, -1]
    return -quaternion if quaternion[3] < 0 else quaternion


def quaternion_slerp(quat0, quat1, fraction, spin=0, shortestpath=True):
    """The unit quaternion at `fraction` (0 to 1) of the great arc from quat0 to quat1."""
    q0, q1 = unit_vector(quat0), unit_vector(quat1)
    cosine = float(q0 @ q1)
    if shortestpath and cosine < 0.0:
        q1, cosine = -q1, -cosine
    angle = math.acos(min(1.0, max(-1.0, cosine))) + spin * math.pi
    if abs(angle) < 1e-12:
        return q0
    return (math.sin((1 - fraction) * angle) * q0 + math.sin(fraction * angle) * q1) / math.sin(
        angle
    )


def quaternion_from_euler(ai, aj, ak, axes="sxyz"):
    """The quaternion of three turns; `axes` as "sxyz": s fixed or r turning axes, then the axes."""
    frame, letters = _check_axes(axes)
    turns = [
        quaternion_about_axis(angle, np.identity(3)[_AXES[letter]])
        for angle, letter in zip((ai, aj, ak), letters, strict=True)
    ]
    # About fixed axes a later turn multiplies from the left, about turning ones from the right.
    first, second, third = turns if frame == "r" else turns[::-1]
    return quaternion_multiply(quaternion_multiply(first, second), third)


def euler_matrix(ai, aj, ak, axes="sxyz"):
    """The (4, 4) rotation matrix of three turns, see `quaternion_from_euler`."""
    return quaternion_matrix(quaternion_from_euler(ai, aj, ak, axes))


def euler_from_matrix(matrix, axes="sxyz"):
    """Roll, pitch and yaw about the fixed axes x, y, z; other `axes` are not supported here."""
    if axes != "sxyz":
        raise ValueError(f"axes {axes!r} are not supported; only 'sxyz' is")
    r = np.asarray(matrix, dtype=np.float64)[:3, :3]
    cosine = math.hypot(r[0, 0], r[1, 0])
    pitch = math.atan2(-r[2, 0], cosine)
    if cosine < 1e-12:  # gimbal lock: roll and yaw turn about one axis, so yaw is taken as 0
        return math.atan2(-r[1, 2], r[1, 1]), pitch, 0.0
    return math.atan2(r[2, 1], r[2, 2]), pitch, math.atan2(r[1, 0], r[0, 0])


def euler_from_quaternion(quaternion, axes="sxyz"):
    """Roll, pitch and yaw of a quaternion, see `euler_from_matrix`."""
    return euler_from_matrix(quaternion_matrix(quaternion), axes)


def _check_axes(axes):
    if len(axes) != 4 or axes[0] not in "sr" or any(letter not in _AXES for letter in axes[1:]):
        raise ValueError(f"axes {axes!r}: expected s or r and three of x, y, z, as in 'sxyz'")
    return axes[0], axes[1:]
