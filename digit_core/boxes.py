# SPDX-License-Identifier: Apache-2.0
"""Boxes as (4,) arrays x, y, width, height in pixels. Nothing here is clipped to the image."""

import numpy as np


def tight(points: np.ndarray) -> np.ndarray:
    """Smallest box around points (N, 2) in pixels; points that are NaN do not count.

    Returns:
        (4,) float64; NaN when no point counts.

    >>> tight(np.array([[10, 20], [30, 60], [np.nan, 0]])).tolist()
    [10.0, 20.0, 20.0, 40.0]
    """
    points = np.asarray(points, dtype=np.float64)
    points = points[np.isfinite(points).all(axis=-1)]
    if len(points) == 0:
        return np.full(4, np.nan)
    low, high = points.min(axis=0), points.max(axis=0)
    return np.concatenate([low, high - low])


def square(box: np.ndarray, margin: float = 1.0) -> np.ndarray:
    """Square about the box's centre, its side `margin` times the longer side. (4,) to (4,).

    >>> square([10, 20, 20, 40]).tolist()
    [0.0, 20.0, 40.0, 40.0]
    """
    x, y, w, h = np.asarray(box, dtype=np.float64)
    side = max(w, h) * margin
    return np.array([x + (w - side) / 2, y + (h - side) / 2, side, side])


def union(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Smallest box that holds both boxes (4,)."""
    low = np.minimum(a[:2], b[:2])
    high = np.maximum(a[:2] + a[2:], b[:2] + b[2:])
    return np.concatenate([low, high - low])


def overlap_area(a: np.ndarray, b: np.ndarray) -> float:
    """Area that two boxes (4,) share, square pixels."""
    low = np.maximum(a[:2], b[:2])
    high = np.minimum(a[:2] + a[2:], b[:2] + b[2:])
    return float(np.prod(np.maximum(high - low, 0)))


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes (4,), 0 to 1.

    >>> iou(np.array([0, 0, 2, 1]), np.array([1, 0, 2, 1]))
    0.3333333333333333
    """
    shared = overlap_area(a, b)
    total = float(a[2] * a[3] + b[2] * b[3]) - shared
    return shared / total if total > 0 else 0.0


def mirror(box: np.ndarray, width: int) -> np.ndarray:
    """The box (4,) in the horizontally flipped image of `width` pixels.

    >>> mirror(np.array([0, 5, 10, 10]), width=640).tolist()
    [629, 5, 10, 10]
    """
    return np.array([width - 1 - box[0] - box[2], box[1], box[2], box[3]])
