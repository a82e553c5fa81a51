# SPDX-License-Identifier: Apache-2.0
"""How far a chain of bones must be to have its length."""

import math

import numpy as np

_MAX_STEPS = 60


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

    >>> solve_length(np.array([[2.0, 0.0, 0.0]]), np.zeros((1, 3)), 3.0)
    (1.5, 2.0)
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
