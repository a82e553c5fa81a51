# SPDX-License-Identifier: Apache-2.0
"""One hand as OpenXR's 26 joints (XR_EXT_hand_tracking): places and orientations.

Every joint's axes: -Z along its bone toward the tip, +Y out of the back of the hand or finger (the
nail's side, the thumb's too), X = Y x Z; right-handed for both hands. A tip has the axes of the
joint before it. 21 of the 26 places are ours; the five others are made, as OpenXR describes them:

- the metacarpals' bases of the four fingers lie on the line from the wrist to the finger's base,
- the palm is the middle of the middle finger's metacarpal.
"""

import numpy as np

from digit_core.orientation import quaternion, wrist_rotation
from digit_core.skeleton import FINGERS, JOINT_NAMES, WRIST

_OURS = {"index": "index", "middle": "middle", "ring": "ring", "little": "pinky"}
_THUMB_BONES = ("metacarpal", "proximal", "distal", "tip")
_FINGER_BONES = ("metacarpal", "proximal", "intermediate", "distal", "tip")

#: Names in the order of XrHandJointEXT, lower case.
OPENXR_NAMES = (
    "palm",
    "wrist",
    *(f"thumb_{bone}" for bone in _THUMB_BONES),
    *(f"{finger}_{bone}" for finger in _OURS for bone in _FINGER_BONES),
)
NUM_OPENXR_JOINTS = len(OPENXR_NAMES)

#: Where the metacarpal's base lies from wrist (0) to finger base (1): carpal height is 0.54 of the
#: third metacarpal's length (Youm et al., Kinematics of the wrist, 1978), so 0.54 / 1.54.
METACARPAL_BASE = 0.35
#: Where the thumb's nail looks at rest, in the wrist's axes of a right hand, unit; read off
#: MakeHuman's mesh, which the free weights' renderer uses.
_THUMB_NAIL = np.array([-0.97, 0.18, 0.17])
#: Weight of that against the sines of the thumb's bends: a straight thumb shows no bending axis.
_AT_REST = 1.0

_PALM_Y, _PALM_Z = 1, 2


def openxr_hand(joints: np.ndarray, side: str) -> tuple[np.ndarray, np.ndarray]:
    """OpenXR's joints of one hand.

    Args:
        joints: (21, 3) metres, public order, any frame; NaN where a joint is not known.
        side: "right" or "left".

    Returns:
        places (26, 3), metres, and orientations (26, 4), quaternions x, y, z, w with w >= 0, both
        float64, in the frame of `joints` and the order of `OPENXR_NAMES`. What hangs on an
        unknown joint is NaN.

    >>> places, orientations = openxr_hand(np.full((21, 3), np.nan), "right")
    >>> places.shape, orientations.shape, OPENXR_NAMES[:3]
    ((26, 3), (26, 4), ('palm', 'wrist', 'thumb_metacarpal'))
    """
    joints = np.asarray(joints, np.float64)
    palm = wrist_rotation(joints, side)
    places, turns = np.full((NUM_OPENXR_JOINTS, 3), np.nan), []
    rows = iter(range(NUM_OPENXR_JOINTS))
    middle = _with_metacarpal(joints, "middle")
    places[next(rows)], places[next(rows)] = (middle[0] + middle[1]) / 2, joints[WRIST]
    turns += [palm, palm]
    for finger in FINGERS:
        if finger == "thumb":
            chain = joints[_chain(finger)]
            axes = _thumb_axes(chain, palm, side)
        else:
            chain = _with_metacarpal(joints, finger)
            axes = _finger_axes(chain, palm)
        for place in chain:
            places[next(rows)] = place
        turns += axes
    return places, np.array([quaternion(turn) for turn in turns])


def _chain(finger: str) -> list[int]:
    return [JOINT_NAMES.index(f"{finger}_{i}") for i in (1, 2, 3, 4)]


def _with_metacarpal(joints: np.ndarray, finger: str) -> np.ndarray:
    """(5, 3): the finger's joints, before them the base of its metacarpal."""
    chain = joints[_chain(finger)]
    base = joints[WRIST] + METACARPAL_BASE * (chain[0] - joints[WRIST])
    return np.concatenate([base[None], chain])


def _finger_axes(chain: np.ndarray, palm: np.ndarray) -> list[np.ndarray]:
    """Axes (3, 3) of each joint: the palm's, turned from bone to bone by the least that will do.

    A finger bends in the plane of its metacarpal, so the least turn keeps +Y on the back of
    every bone.
    """
    axes, turn = [], palm
    for bone in np.diff(chain, axis=0):
        turn = _least_turn(-turn[:, _PALM_Z], _unit(bone)) @ turn
        axes.append(turn)
    return [*axes, axes[-1]]


def _thumb_axes(chain: np.ndarray, palm: np.ndarray, side: str) -> list[np.ndarray]:
    """Axes (3, 3) of each joint of the thumb, whose nail looks another way than the fingers'.

    All its joints bend about much the same axis: seen from its bends, and from the palm where it
    is straight.
    """
    mirror = np.array([1.0 if side == "right" else -1.0, 1.0, 1.0])
    nail = palm @ (_THUMB_NAIL * mirror)
    first, second, third = (_unit(bone) for bone in np.diff(chain, axis=0))
    at_rest = _unit(np.cross(first + second + third, nail))
    seen = np.cross(second, first) + np.cross(third, second)
    if seen @ at_rest < 0:  # bent back
        seen = -seen
    across = _unit(seen + _AT_REST * at_rest)
    axes = []
    for bone in (first, second, third):
        x = _unit(across - across @ bone * bone)
        axes.append(np.stack([x, np.cross(-bone, x), -bone], axis=1))
    return [*axes, axes[-1]]


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector)
    return vector / length if length > 0 else np.full(3, np.nan)


def _least_turn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(3, 3) rotation that takes unit vector a to b by the smallest angle (Rodrigues)."""
    axis, cosine = np.cross(a, b), a @ b
    if not cosine > -1 + 1e-9:
        return np.full((3, 3), np.nan)  # folded back upon itself: no smallest one
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1 + cosine))
