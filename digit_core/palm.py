# SPDX-License-Identifier: Apache-2.0
"""The palm frame of retargeting libraries: MANO's axes, which dex-retargeting takes joints in."""

import numpy as np

from digit_core.orientation import wrist_rotation
from digit_core.skeleton import WRIST

#: Columns: the palm frame's axes in the wrist's OpenXR axes; the same for both hands.
#: x out of the palm, y the wrist's -X (a right hand's thumb side), z toward the fingers.
PALM_FROM_OPENXR = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])


def palm_joints(joints: np.ndarray, side: str) -> np.ndarray:
    """The hand's joints in its own palm frame: where the arm is does not show.

    dex-retargeting reaches the same frame by a plane fitted to three joints and its matrix
    OPERATOR2MANO; ours takes the wrist's axes from all of the palm.

    Args:
        joints: (21, 3) metres, public order, any frame.
        side: "right" or "left".

    Returns:
        (21, 3) float64 metres, origin the wrist; NaN where the palm is not known.

    >>> joints = np.zeros((21, 3))  # a right hand, its palm toward the camera
    >>> joints[[5, 9, 13, 17], :2] = [[0.02, -0.09], [0, -0.1], [-0.02, -0.09], [-0.04, -0.07]]
    >>> palm_joints(joints, "right")[9].round(6).tolist()  # middle_1: along z
    [0.0, 0.0, 0.1]
    """
    joints = np.asarray(joints, np.float64)
    return np.asarray((joints - joints[WRIST]) @ (wrist_rotation(joints, side) @ PALM_FROM_OPENXR))
