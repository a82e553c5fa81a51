# SPDX-License-Identifier: Apache-2.0
"""InterHand2.6M's 42 joints, derived from the project's one joint table.

Right hand 0-20, left hand 21-41; thumb to pinky, each from the tip (4) to the base (1), then the
wrist.
"""

import numpy as np

from digit_core.skeleton import (
    JOINT_NAMES,
    NETWORK_FROM_PUBLIC,
    NETWORK_OFFSET,
    NETWORK_WRIST,
    NUM_JOINTS,
    PARENTS,
    SIDES,
)

PER_HAND = NUM_JOINTS
COUNT = 2 * PER_HAND
#: Joints of each hand as slices of the 42, and their wrists, (right, left).
HANDS = tuple(slice(NETWORK_OFFSET[side], NETWORK_OFFSET[side] + PER_HAND) for side in SIDES)
WRISTS = tuple(NETWORK_WRIST[side] for side in SIDES)
#: Joint j of the mirrored picture is joint MIRRORED[j] of the picture.
MIRRORED = np.roll(np.arange(COUNT), PER_HAND)


def _names() -> tuple[str, ...]:
    """r_thumb4, r_thumb3 ... r_wrist, l_thumb4 ... l_wrist."""
    names = [""] * COUNT
    for side in SIDES:
        for public, name in enumerate(JOINT_NAMES):
            joint = NETWORK_OFFSET[side] + NETWORK_FROM_PUBLIC[public]
            names[joint] = f"{side[0]}_{name.replace('_', '')}"
    return tuple(names)


def _bones() -> np.ndarray:
    hand = sorted(
        (NETWORK_FROM_PUBLIC[joint], NETWORK_FROM_PUBLIC[parent])
        for joint, parent in enumerate(PARENTS)
        if parent >= 0
    )
    return np.stack([np.array(hand) + NETWORK_OFFSET[side] for side in SIDES])


NAMES = _names()
#: (2, 20, 2): per hand (right, left) and bone its outer joint and that joint's parent, by outer
#: joint.
BONES = _bones()
