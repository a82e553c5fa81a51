# SPDX-License-Identifier: Apache-2.0
"""From 2.5D to metric depth: how far a hand of known size is, and how sure that is.

A joint with relative depth d on the ray r (z = 1) is at (Z + d) r, so every bone is Z a + c with
a = r' - r and c = d' r' - d r, and Z solves sum |Z a + c| = size over the chain wrist, middle_1,
middle_2, middle_3, middle_4. A chain that points at the camera hardly changes with Z; the palm's
triangle, some side of which is always seen, then takes over by an adult's proportions.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from digit_core.camera import Camera
from digit_core.hand_size import CHAIN, HandScale
from digit_core.hands import DepthSource
from digit_core.length import solve_length
from digit_core.skeleton import JOINT_NAMES, WRIST

#: Standard deviation of the network's depths: joint against wrist, and wrist against wrist.
RELATIVE_DEPTH_SIGMA_M = 0.010
BETWEEN_HANDS_SIGMA_M = 0.030
_INDEX, _PINKY = JOINT_NAMES.index("index_1"), JOINT_NAMES.index("pinky_1")
PALM = (WRIST, _INDEX, _PINKY, WRIST)
#: Circumference of the palm's triangle over the hand's size, and its relative spread: mean of
#: the 400 identities that the renderer draws from; the spread is a guess for real hands.
PALM_SHARE, PALM_SHARE_SIGMA = 1.25, 0.06
#: Share of the chain's length that changes with depth: from the second on it counts alone, below
#: the first the palm alone (54 and 67 degrees against the picture).
_SEEN_SHARE = (0.15, 0.35)
_NEAREST_M = 0.02


@dataclass(frozen=True)
class RootDepth:
    """Depth of a wrist.

    Attributes:
        depth_m: along the camera's z axis, metres.
        sigma_m: one standard deviation, all causes together.
        per_size: metres of depth per metre of hand size; the error that two hands share.
        source: what it was told from.
    """

    depth_m: float
    sigma_m: float
    per_size: float = 0.0
    source: DepthSource = DepthSource.HAND_SIZE


@dataclass(frozen=True)
class _Path:
    """Joints along a path whose length is known.

    Attributes:
        rays: (N, 3) with z = 1.
        depths: (N, 1) relative to the wrist, metres.
        sigma: (N, 2) of the rays' x and y.
        length_m, length_sigma_m: its length; the deviation is that of its share of the hand's size.
        per_size: its length over the hand's size.
    """

    rays: np.ndarray
    depths: np.ndarray
    sigma: np.ndarray
    length_m: float
    length_sigma_m: float
    per_size: float


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
    rays = camera.unproject(joints_2d)
    depths = np.asarray(relative_depth_m, dtype=np.float64)[:, None]
    sigma_ray = np.broadcast_to(np.asarray(sigma_px, dtype=np.float64), (21,))[:, None]
    sigma_ray = sigma_ray / (camera.fx, camera.fy)

    def path(joints: tuple[int, ...], share: float, spread: float) -> _Path:
        at, size = list(joints), scale.size_m * share
        return _Path(rays[at], depths[at], sigma_ray[at], size, size * spread, share)

    chain, share = _depth_of(path(CHAIN, 1.0, 0.0), scale)
    low, high = _SEEN_SHARE
    weight = min(max((share - low) / (high - low), 0.0), 1.0) if chain else 0.0
    if weight == 1.0:
        return chain
    palm, _ = _depth_of(path(PALM, PALM_SHARE, PALM_SHARE_SIGMA), scale)
    return _mixed(chain, palm, weight) if chain and palm else palm or chain


def _mixed(a: RootDepth, b: RootDepth, weight: float) -> RootDepth:
    """`weight` of a and the rest of b: no jump while a hand turns."""
    rest = 1 - weight
    return RootDepth(
        weight * a.depth_m + rest * b.depth_m,
        weight * a.sigma_m + rest * b.sigma_m,
        weight * a.per_size + rest * b.per_size,
    )


def _depth_of(path: _Path, scale: HandScale) -> tuple[RootDepth | None, float]:
    """Depth at which a path has its length, and the share of its length that changes with depth."""
    offsets = np.diff(path.depths * path.rays, axis=0)
    depth, derivative = solve_length(np.diff(path.rays, axis=0), offsets, path.length_m)
    if not (derivative > 0 and depth + path.depths.min() > _NEAREST_M):
        return None, 0.0
    per_size = path.per_size / derivative
    noise = _length_variance(path, depth) + path.length_sigma_m**2
    sigma = math.hypot(per_size * scale.sigma_m, math.sqrt(noise) / derivative)
    share = depth * derivative / path.length_m
    return RootDepth(depth, min(sigma, depth), per_size), share


def _length_variance(path: _Path, depth_m: float) -> float:
    """Variance of a path's length (m^2) from the noise of its pixels and relative depths."""
    points = (depth_m + path.depths) * path.rays
    bones = np.diff(points, axis=0)
    units = bones / np.maximum(np.linalg.norm(bones, axis=1, keepdims=True), 1e-9)
    gradient = np.zeros_like(points)  # of the length by each joint's position
    gradient[:-1] -= units
    gradient[1:] += units
    by_ray = gradient[:, :2] * points[:, 2:] * path.sigma
    # The wrist's own relative depth is 0 by definition.
    by_depth = (gradient * path.rays).sum(axis=1)[path.depths[:, 0] != 0]
    return float((by_ray**2).sum() + (by_depth**2).sum() * RELATIVE_DEPTH_SIGMA_M**2)


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
        replace(right, depth_m=float(state[0]), sigma_m=float(sigma[0])),
        replace(left, depth_m=float(state[1]), sigma_m=float(sigma[1])),
    )
