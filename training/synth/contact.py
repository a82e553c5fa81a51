# SPDX-License-Identifier: Apache-2.0
"""Spheres along the bones: how deep hands cut themselves or each other, and pushing them apart."""

import numpy as np

from digit_core.skeleton import BONES

#: Radius (m) at the inner and outer end of each bone of a hand of 0.18 m; index order of BONES.
_RADII = np.array(
    [[0.016, 0.014], [0.013, 0.011], [0.011, 0.009], [0.009, 0.007]]
    + [[0.015, 0.010], [0.010, 0.008], [0.008, 0.007], [0.007, 0.006]] * 4
)
_STEPS = np.array([0.2, 0.5, 0.8])
_SIZE_OF_RADII_M = 0.18
_FINGER_OF_BONE = np.array([(child - 1) // 4 for _, child in BONES])
_LEVEL_OF_BONE = np.array([(child - 1) % 4 for _, child in BONES])


def spheres(joints: np.ndarray, size_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Spheres of one hand: centres (60, 3) and radii (60,), metres, three a bone."""
    start = joints[[p for p, _ in BONES]][:, None]
    end = joints[[c for _, c in BONES]][:, None]
    centres = start + _STEPS[None, :, None] * (end - start)
    radii = _RADII[:, :1] + _STEPS[None] * (_RADII[:, 1:] - _RADII[:, :1])
    return centres.reshape(-1, 3), radii.reshape(-1) * size_m / _SIZE_OF_RADII_M


def self_penetration(joints: np.ndarray, size_m: float) -> float:
    """Deepest overlap (m) of two fingers of one hand, or of a finger and the palm."""
    centres, radii = spheres(joints, size_m)
    depth = radii[:, None] + radii[None] - np.linalg.norm(centres[:, None] - centres[None], axis=2)
    return float(depth[_MAY_NOT_TOUCH].max())


def penetration(
    a: np.ndarray, size_a: float, b: np.ndarray, size_b: float
) -> tuple[float, np.ndarray]:
    """Deepest overlap (m) of two hands and the direction (3,) in which b leaves a."""
    ca, ra = spheres(a, size_a)
    cb, rb = spheres(b, size_b)
    delta = cb[None] - ca[:, None]
    distance = np.linalg.norm(delta, axis=2)
    depth = ra[:, None] + rb[None] - distance
    worst = np.unravel_index(depth.argmax(), depth.shape)
    weight = np.clip(depth, 0, None)[..., None]
    direction = (weight * delta / np.maximum(distance, 1e-6)[..., None]).sum((0, 1))
    norm = np.linalg.norm(direction)
    direction = direction / norm if norm > 1e-9 else delta[worst] / max(distance[worst], 1e-6)
    return float(depth[worst]), direction


def push_apart(
    a: np.ndarray, size_a: float, b: np.ndarray, size_b: float, allowed_m: float = 0.0035
) -> np.ndarray | None:
    """Translation (3,) of hand b that leaves at most `allowed_m` of overlap, or None."""
    moved = np.zeros(3)
    for _ in range(40):
        depth, direction = penetration(a, size_a, b + moved, size_b)
        if depth <= allowed_m:
            return moved
        moved = moved + direction * max(depth - allowed_m, 0.001)
    return None


def _make_pairs() -> np.ndarray:
    finger, level = np.repeat(_FINGER_OF_BONE, 3), np.repeat(_LEVEL_OF_BONE, 3)
    different = finger[:, None] != finger[None]
    outer = (level[:, None] >= 1) & (level[None] >= 1)
    # A curled finger's two outer bones against every palm bone but its neighbours' beginnings.
    tip_palm = (level[:, None] >= 2) & (level[None] == 0) & (np.tile(_STEPS, 20)[None] < 0.6)
    return (different & outer) | tip_palm


_MAY_NOT_TOUCH = _make_pairs()
