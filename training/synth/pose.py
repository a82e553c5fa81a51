# SPDX-License-Identifier: Apache-2.0
"""Random hand poses within anatomical limits: independent fingers, synergies and gestures.

Angles are degrees against the mesh's rest pose, which already bends the fingers by about 15
degrees, so that limits here are the anatomical ones less that.
"""

import numpy as np

from training.synth.hand_model import HandPose

#: (base, middle, last, spread) lower and upper limits of index to pinky.
_FINGER_LOW, _FINGER_HIGH = np.array([-28, -14, -14, -14]), np.array([76, 98, 68, 14])
_THUMB_LOW, _THUMB_HIGH = np.array([-24, -16, -22, -28]), np.array([38, 52, 75, 30])
_CURLED, _STRAIGHT = np.array([68, 88, 48]), np.array([-12, -10, -10])

#: Curl of (thumb, index, middle, ring, pinky) from 0 straight to 1 curled, by gesture.
_GESTURES = {
    "open": (0, 0, 0, 0, 0),
    "fist": (0.8, 1, 1, 1, 1),
    "point": (0.7, 0, 1, 1, 1),
    "victory": (0.8, 0, 0, 1, 1),
    "three": (0.8, 0, 0, 0, 1),
    "four": (0.9, 0, 0, 0, 0),
    "thumb_up": (-0.2, 1, 1, 1, 1),
    "gun": (-0.1, 0, 1, 1, 1),
    "shaka": (-0.2, 1, 1, 1, 0),
    "horns": (0.8, 0, 1, 1, 0),
    "pinky": (0.8, 1, 1, 1, 0),
    "pinch": (0.55, 0.55, 0.1, 0.05, 0.0),
    "ring_pinch": (0.55, 0.55, 0.6, 0.65, 0.7),
    "grasp": (0.4, 0.45, 0.5, 0.5, 0.5),
    "relaxed": (0.2, 0.2, 0.28, 0.34, 0.4),
    "c_shape": (0.1, 0.35, 0.35, 0.35, 0.35),
}
_GESTURE_TABLE = np.array(list(_GESTURES.values()), dtype=float)


def random_pose(rng: np.random.Generator) -> HandPose:
    """One random right-hand pose.

    A third are gestures, a third bend all fingers together, a third each finger for itself.
    """
    kind = rng.choice(3, p=(0.38, 0.3, 0.32))
    if kind == 0:
        curl = _GESTURE_TABLE[rng.integers(len(_GESTURE_TABLE))] + rng.normal(0, 0.08, 5)
    elif kind == 1:
        curl = rng.beta(0.8, 1.0) + rng.normal(0, 0.13, 5)
    else:
        curl = rng.beta(0.45, 0.5, 5)
    return pose_from_curl(curl, rng)


def pose_from_curl(curl: np.ndarray, rng: np.random.Generator) -> HandPose:
    """A pose of given curl (5,) thumb to pinky, with everything else drawn around it."""
    fingers = np.zeros((5, 4))
    # A claw bends the outer joints and not the base; a table top the base alone.
    share = rng.choice([0.0, 1.0, -1.0], p=(0.72, 0.14, 0.14)) * rng.uniform(0.3, 1.0)
    for f in range(1, 5):
        c = curl[f] + rng.normal(0, 0.05, 3)
        c[0] -= 0.7 * max(share, 0) * curl[f]
        c[1:] -= 0.8 * max(-share, 0) * curl[f]
        fingers[f, :3] = _STRAIGHT + c * (_CURLED - _STRAIGHT)
    # Spread fans out; a bent finger cannot spread.
    fan = rng.normal(0.15, 0.55) * np.array([-9.0, -2.0, 5.0, 11.0])
    fingers[1:, 3] = (fan + rng.normal(0, 2.5, 4)) * (1 - np.clip(curl[1:], 0, 1) * 0.85)
    t = curl[0] + rng.normal(0, 0.12, 3)
    fingers[0, :3] = np.array([-10, -6, -8]) + t * np.array([32, 42, 60])
    fingers[0, 3] = rng.normal(0, 13)
    fingers[0] = np.clip(fingers[0], _THUMB_LOW, _THUMB_HIGH)
    fingers[1:] = np.clip(fingers[1:], _FINGER_LOW, _FINGER_HIGH)
    return HandPose(
        fingers=np.deg2rad(fingers),
        thumb_twist=float(np.deg2rad(rng.normal(0, 12) + 22 * np.clip(curl[0], 0, 1))),
        wrist=np.deg2rad(np.clip(rng.normal((0, 0), (26, 10)), (-62, -26), (65, 22))),
        pronation=float(np.deg2rad(rng.uniform(-70, 70))),
        elbow=float(np.deg2rad(rng.uniform(0, 120))),
        elbow_plane=float(rng.uniform(0, 2 * np.pi)),
    )


def blend(a: HandPose, b: HandPose, t: float) -> HandPose:
    """Linear interpolation of all angles, for motion in clips."""
    mix = lambda x, y: (1 - t) * x + t * y  # noqa: E731
    return HandPose(*(mix(getattr(a, k), getattr(b, k)) for k in a.__dataclass_fields__))
