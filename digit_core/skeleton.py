# SPDX-License-Identifier: Apache-2.0
"""The one joint table: names, orders and bones. Every other order derives from it.

Public order: 21 joints a hand, wrist first, each finger from base to tip (MediaPipe, OpenPose).
Network order: 42 joints, right hand 0-20 and left hand 21-41, each finger from tip to base, wrist
last (InterHand2.6M, the DIGIT checkpoints).
"""

import numpy as np

FINGERS = ("thumb", "index", "middle", "ring", "pinky")
JOINT_NAMES = ("wrist",) + tuple(f"{finger}_{i}" for finger in FINGERS for i in (1, 2, 3, 4))
NUM_JOINTS = len(JOINT_NAMES)
WRIST = 0
SIDES = ("right", "left")

#: Parent of each joint in public order; -1 for the wrist.
PARENTS = (-1,) + tuple(0 if i % 4 == 1 else i - 1 for i in range(1, NUM_JOINTS))
#: The 20 bones as (parent, child), public order.
BONES = tuple((PARENTS[i], i) for i in range(1, NUM_JOINTS))

#: Public joint i is network joint NETWORK_FROM_PUBLIC[i] of the same hand (0..20).
NETWORK_FROM_PUBLIC = np.array(
    [20] + [4 * finger + 3 - i for finger in range(5) for i in range(4)], dtype=np.int64
)
#: Network joint j of a hand is public joint PUBLIC_FROM_NETWORK[j].
PUBLIC_FROM_NETWORK = np.argsort(NETWORK_FROM_PUBLIC)
#: First network joint of each side.
NETWORK_OFFSET = {"right": 0, "left": NUM_JOINTS}
NETWORK_WRIST = {"right": 20, "left": 41}


def public_from_network(joints: np.ndarray, side: str) -> np.ndarray:
    """Pick one hand out of the network's 42 joints.

    Args:
        joints: (..., 42, D), network order.
        side: "right" or "left".

    Returns:
        (..., 21, D), public order.

    >>> joints = np.arange(42)[:, None]  # each joint's own number
    >>> public_from_network(joints, "right")[:5, 0].tolist()  # wrist, thumb_1 to thumb_4
    [20, 3, 2, 1, 0]
    """
    return joints[..., NETWORK_FROM_PUBLIC + NETWORK_OFFSET[side], :]


def network_from_public(right: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Join two hands into the network's order; the inverse of `public_from_network`.

    Args:
        right: (..., 21, D), public order.
        left: (..., 21, D), public order.

    Returns:
        (..., 42, D), network order.
    """
    return np.concatenate(
        [right[..., PUBLIC_FROM_NETWORK, :], left[..., PUBLIC_FROM_NETWORK, :]], axis=-2
    )
