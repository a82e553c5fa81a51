# SPDX-License-Identifier: Apache-2.0
"""The square crop that a network sees: image to patch and back, exactly inverse."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from digit_core import boxes

PATCH = 256
#: Side of the crop over the longer side of the joints' tight box, as DIGIT was trained.
MARGIN = 1.25
#: A crop of fewer pixels shows nothing; also keeps the scale finite.
MIN_SIDE_PX = 4.0


@dataclass(frozen=True)
class Crop:
    """A square of the image that becomes the 256x256 patch.

    The square's centre maps to patch pixel (128, 128) and half its side to 128 patch pixels:
    patch = (image - center) * 256 / side + 128, in pixels whose (0, 0) is the first one's centre.

    Attributes:
        center_x, center_y, side: image pixels.
    """

    center_x: float
    center_y: float
    side: float

    @classmethod
    def around(cls, box: np.ndarray, margin: float = MARGIN) -> "Crop":
        """The crop about a tight box (4,) of joints, `margin` times its longer side wide."""
        x, y, w, h = (float(v) for v in box)
        return cls(x + w / 2, y + h / 2, max(max(w, h) * margin, MIN_SIDE_PX))

    @property
    def box(self) -> np.ndarray:
        """(4,) float64 x, y, width, height, image pixels."""
        half = self.side / 2
        return np.array([self.center_x - half, self.center_y - half, self.side, self.side])

    @property
    def px_per_patch_px(self) -> float:
        """Image pixels per patch pixel."""
        return self.side / PATCH

    def to_patch(self, points: np.ndarray) -> np.ndarray:
        """Image pixels (..., 2) to patch pixels (..., 2)."""
        center = (self.center_x, self.center_y)
        return (np.asarray(points, dtype=np.float64) - center) * (PATCH / self.side) + PATCH / 2

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """Patch pixels (..., 2) to image pixels (..., 2); the inverse of `to_patch`."""
        center = (self.center_x, self.center_y)
        return (np.asarray(points, dtype=np.float64) - PATCH / 2) * (self.side / PATCH) + center

    def cut(self, image: np.ndarray) -> np.ndarray:
        """Cut the patch out: linear, black outside the image.

        Where the patch is at most half as fine as the image, the image is averaged down first.

        Args:
            image: (H, W, C) uint8, any size.

        Returns:
            (256, 256, C) uint8.
        """
        x0, y0, x1, y1 = self._pixels_touched(image.shape)
        if x0 >= x1 or y0 >= y1:
            return np.zeros((PATCH, PATCH, image.shape[2]), np.uint8)
        region = _shrink(image[y0:y1, x0:x1], int(self.side / PATCH))
        sx, sy = (x1 - x0) / region.shape[1], (y1 - y0) / region.shape[0]
        # Pixel q of the shrunken region stands at image pixel x0 + (q + 0.5) * sx - 0.5.
        tx, ty = self.to_patch(np.array([x0 + 0.5 * sx - 0.5, y0 + 0.5 * sy - 0.5]))
        zoom = PATCH / self.side
        matrix = np.array([[zoom * sx, 0, tx], [0, zoom * sy, ty]])
        return cv2.warpAffine(region, matrix, (PATCH, PATCH), flags=cv2.INTER_LINEAR)

    def paste_labels(self, canvas: np.ndarray, labels: np.ndarray) -> None:
        """Write a crop's label map into the full image's, where it is not background.

        Label (column, row) k stands at patch pixel 2 * k, as DIGIT's label maps are made (every
        second pixel of the patch); nearest neighbour.

        Args:
            canvas: (H, W) uint8, changed in place.
            labels: (128, 128) uint8.
        """
        height, width = canvas.shape
        columns, x0, x1 = self._label_indices(self.center_x, width, labels.shape[1])
        rows, y0, y1 = self._label_indices(self.center_y, height, labels.shape[0])
        if x0 >= x1 or y0 >= y1:
            return
        pasted = labels.take(rows, axis=0).take(columns, axis=1)
        region = canvas[y0:y1, x0:x1]
        np.copyto(region, pasted, where=pasted > 0)

    def _label_indices(self, center: float, size: int, cells: int) -> tuple[np.ndarray, int, int]:
        """Label index of each image pixel that the crop covers along one axis, and their range."""
        step = PATCH / cells
        start = max(math.ceil(center - self.side / 2), 0)
        stop = min(math.floor(center + self.side / 2) + 1, size)
        patch = (np.arange(start, max(stop, start)) - center) * (PATCH / self.side) + PATCH / 2
        indices = np.floor(patch / step + 0.5).astype(np.intp)
        return np.minimum(indices, cells - 1), start, stop

    def _pixels_touched(self, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
        edge = 2 + int(self.side / PATCH)
        x, y, side, _ = self.box
        x0, y0 = max(math.floor(x) - edge, 0), max(math.floor(y) - edge, 0)
        x1 = min(math.ceil(x + side) + edge, shape[1])
        y1 = min(math.ceil(y + side) + edge, shape[0])
        return x0, y0, x1, y1


def crop_for(joints: np.ndarray) -> Crop:
    """The crop of joints (N, 2) in image pixels: about their tight box."""
    return Crop.around(boxes.tight(joints))


def _shrink(region: np.ndarray, factor: int) -> np.ndarray:
    region = np.ascontiguousarray(region)
    if factor < 2:
        return region
    size = [max(round(n / factor), 1) for n in (region.shape[1], region.shape[0])]
    return cv2.resize(region, size, interpolation=cv2.INTER_AREA)
