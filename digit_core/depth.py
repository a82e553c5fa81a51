# SPDX-License-Identifier: Apache-2.0
"""From 2.5D to metric depth: how far a hand of known size is, and how sure that is.

The size of a hand is the length of the chain wrist, middle_1, middle_2, middle_3, middle_4 along
its bones. A joint with relative depth d on the ray r (z = 1) is at (Z + d) r, so every bone is
Z a + c with a = r' - r and c = d' r' - d r, and Z solves sum |Z a + c| = size.
"""

import math
from dataclasses import dataclass

import numpy as np

from digit_core.camera import Camera
from digit_core.skeleton import JOINT_NAMES, WRIST

CHAIN = (WRIST,) + tuple(JOINT_NAMES.index(f"middle_{i}") for i in (1, 2, 3, 4))
#: Adult mean and spread of the hand's length, wrist crease to middle fingertip: men 193 mm, women
#: 181 mm, each with a standard deviation of 10 mm, equal shares. ANSUR II (Gordon et al., 2012
#: Anthropometric Survey of U.S. Army Personnel, NATICK/TR-15/007).
ADULT_HAND_SIZE_M = 0.187
ADULT_HAND_SIZE_SIGMA_M = 0.012
#: What a stated size is trusted to: a ruler along a bent chain of joints under skin.
STATED_SIZE_SIGMA_M = 0.003
#: Standard deviation of the network's depths: joint against wrist, and wrist against wrist.
RELATIVE_DEPTH_SIGMA_M = 0.010
BETWEEN_HANDS_SIGMA_M = 0.030
_NEAREST_M = 0.02
_MAX_STEPS = 60


@dataclass(frozen=True)
class HandScale:
    """What is known about the size of the hands.

    Attributes:
        size_m: length of the chain, metres.
        sigma_m: its standard deviation.
        reference_m: size of the hands whose depths the network tells. A crop does not show
            how big a hand is, so relative depths are scaled by size_m / reference_m.
    """

    size_m: float = ADULT_HAND_SIZE_M
    sigma_m: float = ADULT_HAND_SIZE_SIGMA_M
    reference_m: float = ADULT_HAND_SIZE_M

    def __post_init__(self) -> None:
        if not (0.05 <= self.size_m <= 0.4 and 0.05 <= self.reference_m <= 0.4):
            raise ValueError(f"hand size must lie in 0.05 to 0.4 m, got {self.size_m}")
        if not 0 <= self.sigma_m < self.size_m:
            raise ValueError(f"hand size's deviation must be small, got {self.sigma_m} m")

    @classmethod
    def of(cls, size_m: float | None, reference_m: float = ADULT_HAND_SIZE_M) -> "HandScale":
        """A stated size, or the reference's with an adult's spread where it is None."""
        if size_m is None:
            return cls(reference_m, ADULT_HAND_SIZE_SIGMA_M, reference_m)
        return cls(size_m, STATED_SIZE_SIGMA_M, reference_m)

    @property
    def depth_factor(self) -> float:
        """What the network's relative depths are multiplied by."""
        return self.size_m / self.reference_m


@dataclass(frozen=True)
class RootDepth:
    """Depth of a wrist.

    Attributes:
        depth_m: along the camera's z axis, metres.
        sigma_m: one standard deviation, all causes together.
        per_size: metres of depth per metre of hand size; the error that two hands share.
    """

    depth_m: float
    sigma_m: float
    per_size: float = 0.0


def chain_length(joints: np.ndarray) -> np.ndarray:
    """Size of hands (..., 21, 3) in metres, public order: (...,) metres."""
    chain = np.asarray(joints)[..., list(CHAIN), :]
    return np.asarray(np.linalg.norm(np.diff(chain, axis=-2), axis=-1).sum(axis=-1))


def solve_length(slope: np.ndarray, offset: np.ndarray, length: float) -> tuple[float, float]:
    """Largest s with sum |s slope + offset| = length.

    The sum is convex in s, so Newton's method from a point beyond the largest root comes down
    to it without overshooting.

    Args:
        slope, offset: (N, 3) per bone.
        length: the sum wanted.

    Returns:
        s and the sum's derivative there. Where even the shortest sum is longer than `length`,
        an s near the shortest and a derivative of 0; NaN, NaN when there is no slope at all.
    """
    steepness = np.linalg.norm(slope, axis=1).sum()
    if not (steepness > 0 and np.isfinite(offset).all()):
        return math.nan, math.nan
    s = (length + np.linalg.norm(offset, axis=1).sum()) / steepness
    derivative = float(steepness)
    for _ in range(_MAX_STEPS):
        bones = s * slope + offset
        norms = np.linalg.norm(bones, axis=1)
        gradient = float(((bones * slope).sum(axis=1) / np.maximum(norms, 1e-12)).sum())
        if gradient <= 1e-6 * steepness:
            return _shortest(slope, offset), 0.0
        derivative = gradient
        step = (float(norms.sum()) - length) / derivative
        s -= step
        if abs(step) <= 1e-12 * abs(s):
            break
    return float(s), derivative


def _shortest(slope: np.ndarray, offset: np.ndarray) -> float:
    """The s that makes the sum of squared bones least; near the least sum, in closed form."""
    return float(-(slope * offset).sum() / (slope * slope).sum())


def root_depth(
    camera: Camera,
    joints_2d: np.ndarray,
    relative_depth_m: np.ndarray,
    scale: HandScale,
    sigma_px: np.ndarray | float = 1.0,
) -> RootDepth | None:
    """Depth at which the hand has its size, with perspective.

    Args:
        camera: intrinsics.
        joints_2d: (21, 2) pixels, public order.
        relative_depth_m: (21,) depth minus the wrist's, metres, for a hand of `scale.size_m`.
        scale: the hand's size and its spread.
        sigma_px: (21,) or one number, standard deviation of joints_2d on each axis.

    Returns:
        The wrist's depth, or None where no depth in front of the camera explains the hand.
    """
    chain = list(CHAIN)
    rays = camera.unproject(joints_2d[chain])
    depths = np.asarray(relative_depth_m, dtype=np.float64)[chain, None]
    depth, derivative = solve_length(
        np.diff(rays, axis=0), np.diff(depths * rays, axis=0), scale.size_m
    )
    if not (np.isfinite(depth) and depth + depths.min() > _NEAREST_M):
        return None
    points = (depth + depths) * rays
    sigma = np.broadcast_to(np.asarray(sigma_px, dtype=np.float64), (21,))[chain]
    noise = _length_variance(camera, points, rays, sigma)
    # A chain seen end-on hardly changes with depth: what is then known is only that it is there.
    per_size = 1.0 / max(derivative, scale.size_m / depth * 0.05)
    sigma_m = min(per_size * math.hypot(scale.sigma_m, math.sqrt(noise)), depth)
    return RootDepth(depth, sigma_m, min(per_size, sigma_m / max(scale.sigma_m, 1e-9)))


def _length_variance(
    camera: Camera, points: np.ndarray, rays: np.ndarray, sigma_px: np.ndarray
) -> float:
    """Variance of the chain's length (m^2) from pixel noise and relative depth noise."""
    bones = np.diff(points, axis=0)
    units = bones / np.maximum(np.linalg.norm(bones, axis=1, keepdims=True), 1e-9)
    gradient = np.zeros_like(points)  # of the length by each joint's position
    gradient[:-1] -= units
    gradient[1:] += units
    by_px = gradient[:, :2] * points[:, 2:] / (camera.fx, camera.fy)
    by_depth = (gradient[1:] * rays[1:]).sum(axis=1)
    pixels = ((by_px * sigma_px[:, None]) ** 2).sum()
    return float(pixels + (by_depth**2).sum() * RELATIVE_DEPTH_SIGMA_M**2)


def metres_per_pixel(joints_2d: np.ndarray, relative_depth_m: np.ndarray, size_m: float) -> float:
    """Scale of a hand under weak perspective, for images without intrinsics.

    Args:
        joints_2d: (21, 2) pixels, public order.
        relative_depth_m: (21,) metres.
        size_m: the hand's size.

    Returns:
        Metres per pixel at the hand; NaN when the chain has no extent in the image.
    """
    chain = list(CHAIN)
    slope = np.zeros((len(chain) - 1, 3))
    slope[:, :2] = np.diff(np.asarray(joints_2d, dtype=np.float64)[chain], axis=0)
    offset = np.zeros_like(slope)
    offset[:, 2] = np.diff(np.asarray(relative_depth_m, dtype=np.float64)[chain])
    scale, _ = solve_length(slope, offset, size_m)
    if scale > 0:
        return scale
    # The depths alone are longer than the hand: the chain is taken as flat.
    extent = np.linalg.norm(slope, axis=1).sum()
    return float(size_m / extent) if extent > 0 else math.nan


def reconcile(
    right: RootDepth, left: RootDepth, left_minus_right_m: float, scale: HandScale
) -> tuple[RootDepth, RootDepth]:
    """Bring two wrists' depths and their measured difference together.

    One update by inverse variances (a Kalman step): the state is (right, left) with the errors
    of the hands' size in common, the measurement is left - right with BETWEEN_HANDS_SIGMA_M.

    Args:
        right, left: each hand's own depth.
        left_minus_right_m: the network's difference, metres; NaN leaves all as it is.
        scale: whose spread the two share.
    """
    if not math.isfinite(left_minus_right_m):
        return right, left
    shared = right.per_size * left.per_size * scale.sigma_m**2
    covariance = np.array([[right.sigma_m**2, shared], [shared, left.sigma_m**2]])
    h = np.array([-1.0, 1.0])
    gain = covariance @ h / (h @ covariance @ h + BETWEEN_HANDS_SIGMA_M**2)
    state = np.array([right.depth_m, left.depth_m])
    state = state + gain * (left_minus_right_m - h @ state)
    covariance = covariance - np.outer(gain, h @ covariance)
    if state.min() <= _NEAREST_M:
        return right, left
    sigma = np.sqrt(np.maximum(np.diag(covariance), 0))
    return (
        RootDepth(float(state[0]), float(sigma[0]), right.per_size),
        RootDepth(float(state[1]), float(sigma[1]), left.per_size),
    )
