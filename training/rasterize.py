# SPDX-License-Identifier: Apache-2.0
"""Labels of a triangle mesh as a pinhole camera sees it, nearest surface first; numpy alone."""

import numpy as np

NEAR = 1e-6


def draw_labels(
    points: np.ndarray,
    depth: np.ndarray,
    faces: np.ndarray,
    labels: np.ndarray,
    size: tuple[int, int],
) -> np.ndarray:
    """Draw vertex labels; a pixel takes that of the triangle's corner that weighs most there.

    Args:
        points: (V, 2) pixels; (0, 0) is the first pixel's centre.
        depth: (V,) along the optical axis, any unit; triangles that reach behind the camera are
            left out.
        faces: (F, 3).
        labels: (V,) uint8, not 0.
        size: width and height of the picture.

    Returns:
        (H, W) uint8, 0 where there is nothing.
    """
    width, height = size
    canvas = np.zeros(height * width, np.uint8)
    faces = faces[(depth[faces] > NEAR).all(axis=1)]
    corners = points[faces]
    low = np.maximum(np.ceil(corners.min(axis=1)), 0).astype(int)
    high = np.minimum(np.floor(corners.max(axis=1)), (width - 1, height - 1)).astype(int)
    extent = np.maximum(high - low + 1, 0)
    counts = extent[:, 0] * extent[:, 1]
    face = np.repeat(np.arange(len(faces)), counts)
    if not len(face):
        return canvas.reshape(height, width)
    place = np.arange(len(face)) - np.repeat(np.cumsum(counts) - counts, counts)
    x = low[face, 0] + place % extent[face, 0]
    y = low[face, 1] + place // extent[face, 0]
    a, b, c = (corners[face, i] for i in range(3))
    area = _cross(b - a, c - a)
    pixel = np.stack((x, y), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = (
            np.stack((_cross(c - b, pixel - b), _cross(a - c, pixel - c)), axis=1) / area[:, None]
        )
        shares = np.concatenate((shares, 1 - shares.sum(axis=1, keepdims=True)), axis=1)
        inside = (shares >= 0).all(axis=1) & np.isfinite(shares).all(axis=1)
    face, x, y, shares = face[inside], x[inside], y[inside], shares[inside]
    # One over depth is linear in the picture.
    nearness = (shares / depth[faces[face]]).sum(axis=1)
    order = np.argsort(nearness, kind="stable")
    chosen = faces[face, (shares / depth[faces[face]]).argmax(axis=1)]
    canvas[(y * width + x)[order]] = labels[chosen][order]
    return canvas.reshape(height, width)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
