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
    face, x, y = _candidates(corners, size)
    # A corner's weight is linear in the picture, and so is one over depth; (F, 3, 3) of x, y, 1.
    weights, flat = _weights(corners)
    near = weights / depth[faces][:, :, None]
    shares = _at(weights[:, :2], face, x, y)
    inside = (shares[0] >= 0) & (shares[1] >= 0) & (shares[0] + shares[1] <= 1) & ~flat[face]
    face, x, y = face[inside], x[inside], y[inside]
    corner_nearness = _at(near, face, x, y)
    order = np.argsort(corner_nearness.sum(axis=0), kind="stable")
    chosen = faces[face, corner_nearness.argmax(axis=0)]
    canvas[(y * width + x)[order]] = labels[chosen][order]
    return canvas.reshape(height, width)


def _candidates(
    corners: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangle, x and y of all pixels in the bounds of (F, 3, 2) triangles."""
    low = np.maximum(np.ceil(corners.min(axis=1)), 0).astype(np.int32)
    high = np.minimum(np.floor(corners.max(axis=1)), np.array(size) - 1).astype(np.int32)
    extent = np.maximum(high - low + 1, 0)
    counts = extent[:, 0] * extent[:, 1]
    face = np.repeat(np.arange(len(corners), dtype=np.int32), counts)
    place = np.arange(len(face), dtype=np.int32)
    place -= np.repeat((np.cumsum(counts) - counts).astype(np.int32), counts)
    down, across = np.divmod(place, extent[:, 0][face])
    return face, low[face, 0] + across, low[face, 1] + down


def _weights(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(F, 3, 3): a corner's weight is the product with (x, y, 1); and which triangles are flat."""
    others = corners[:, [1, 2, 0]], corners[:, [2, 0, 1]]
    (bx, by), (cx, cy) = (np.moveaxis(other, 2, 0) for other in others)
    edges = np.stack((by - cy, cx - bx, bx * cy - by * cx), axis=2)
    area = edges[:, :, 2].sum(axis=1)
    flat = area == 0
    return edges / np.where(flat, 1, area)[:, None, None], flat


def _at(linear: np.ndarray, face: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(K, N) values of (F, K, 3) linear functions of faces at pixels."""
    values = np.empty((linear.shape[1], len(face)))
    for k, row in enumerate(values):
        coefficients = linear[:, k]
        np.multiply(coefficients[face, 0], x, out=row)
        row += coefficients[face, 1] * y
        row += coefficients[face, 2]
    return values
