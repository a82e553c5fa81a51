# SPDX-License-Identifier: Apache-2.0
"""The wrist's orientation from the palm's joints, in OpenXR's axes."""

import numpy as np

from digit_core.skeleton import JOINT_NAMES

_INDEX, _MIDDLE, _RING, _PINKY = (
    JOINT_NAMES.index(f"{finger}_1") for finger in ("index", "middle", "ring", "pinky")
)
#: A palm whose normal is shorter than this share of its squared length is a line or a point.
_DEGENERATE = 1e-3


def wrist_rotation(joints: np.ndarray, side: str) -> np.ndarray:
    """Rotation of the wrist: its columns are the wrist's axes in the camera frame.

    OpenXR (XR_EXT_hand_tracking): -Z from the wrist toward the middle finger's base, +Y out of
    the back of the hand, X = Y x Z; right-handed for both hands.

    Args:
        joints: (21, 3) metres, public order, any origin.
        side: "right" or "left".

    Returns:
        (3, 3) float64; NaN when the palm's joints are missing or lie on one line.

    >>> joints = np.zeros((21, 3))  # a right hand, its palm toward the camera, fingers up
    >>> joints[[5, 9, 13, 17], :2] = [[0.02, -0.09], [0, -0.1], [-0.02, -0.09], [-0.04, -0.07]]
    >>> (wrist_rotation(joints, "right") @ [0, 0, -1]).tolist()  # toward the fingers: up
    [0.0, -1.0, 0.0]
    >>> (wrist_rotation(joints, "right") @ [0, 1, 0]).tolist()  # out of the back: away
    [0.0, 0.0, 1.0]
    """
    palm = np.asarray(joints, dtype=np.float64)[[_INDEX, _MIDDLE, _RING, _PINKY]] - joints[0]
    index, middle, ring, pinky = palm
    # Sum of three triangles' normals, pinky x index + ring x index + pinky x middle: noise of
    # one joint counts less than in one cross product.
    normal = _cross(pinky + ring, index) + _cross(pinky, middle)
    if side == "left":
        normal = -normal
    length = np.linalg.norm(middle)
    if not length > 0 or not np.isfinite(normal).all():
        return np.full((3, 3), np.nan)
    z = -middle / length
    y = normal - normal @ z * z
    if np.linalg.norm(y) < _DEGENERATE * length**2:
        return np.full((3, 3), np.nan)
    y /= np.linalg.norm(y)
    return np.stack([_cross(y, z), y, z], axis=1)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross product of two vectors (3,); np.cross takes ten times as long for one pair."""
    (ax, ay, az), (bx, by, bz) = a.tolist(), b.tolist()
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """Unit quaternion x, y, z, w with w >= 0 of a rotation matrix (3, 3); NaN stays NaN.

    Shepperd's method (1978): the largest of the four candidates is divided by, so no
    cancellation.

    >>> quaternion(np.eye(3)).tolist()
    [0.0, 0.0, 0.0, 1.0]
    """
    m = np.asarray(rotation, dtype=np.float64)
    if not np.isfinite(m).all():
        return np.full(4, np.nan)
    xx, yy, zz = m[0, 0], m[1, 1], m[2, 2]
    columns = np.array(
        [
            [1 + xx - yy - zz, m[0, 1] + m[1, 0], m[0, 2] + m[2, 0], m[2, 1] - m[1, 2]],
            [m[0, 1] + m[1, 0], 1 - xx + yy - zz, m[1, 2] + m[2, 1], m[0, 2] - m[2, 0]],
            [m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], 1 - xx - yy + zz, m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], 1 + xx + yy + zz],
        ]
    )
    q: np.ndarray = columns[np.argmax(np.diag(columns))]
    q /= np.linalg.norm(q) * (1.0 if q[3] >= 0 else -1.0)
    return q


def wrist_quaternion(joints: np.ndarray, side: str) -> np.ndarray:
    """`wrist_rotation` as a (4,) float32 quaternion x, y, z, w; NaN when it is unknown."""
    return quaternion(wrist_rotation(joints, side)).astype(np.float32)
