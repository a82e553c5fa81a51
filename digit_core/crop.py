# SPDX-License-Identifier: Apache-2.0
"""The square crop that a network sees: image to patch and back, exactly inverse."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from digit_core import boxes

PATCH = 256
#: Side of the crop over the longer side of the joints' tight box. DIGIT was trained on 0.94 to
#: 1.56; of real photos' hands the bundled weights have more right with 1.4 than with 1.25.
MARGIN = 1.4
#: A crop of fewer pixels shows nothing; also keeps the scale finite.
MIN_SIDE_PX = 4.0


@dataclass(frozen=True)
class Axis:
    """How one axis of an image becomes the patch's.

    Its pixels from `start` to before `stop` are averaged into `cells` of equal width (one a pixel
    unless the patch is at most half as fine). Patch pixel p stands at cell step * p + first, linear
    between cells, black outside.
    """

    start: int
    stop: int
    cells: int
    step: float
    first: float


@dataclass(frozen=True)
class Crop:
    """A square of the image that becomes the 256x256 patch.

    The square's centre maps to patch pixel (128, 128) and half its side to 128 patch pixels:
    patch = (image - center) * 256 / side + 128, in pixels whose (0, 0) is the first one's centre.

    Attributes:
        center_x, center_y, side: image pixels.

    >>> crop = Crop(center_x=320, center_y=240, side=128)
    >>> crop.to_patch([320, 240])
    array([128., 128.])
    >>> crop.to_image(crop.to_patch([300.5, 200.25]))
    array([300.5 , 200.25])
    >>> crop.cut(np.zeros((480, 640, 3), np.uint8)).shape
    (256, 256, 3)
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
        columns, rows = self.axes(image.shape)
        if not (columns.cells and rows.cells):
            return np.zeros((PATCH, PATCH, image.shape[2]), np.uint8)
        region = np.ascontiguousarray(image[rows.start : rows.stop, columns.start : columns.stop])
        size = (columns.cells, rows.cells)
        if size != (region.shape[1], region.shape[0]):
            region = cv2.resize(region, size, interpolation=cv2.INTER_AREA)
        cell_of_patch = np.array([[columns.step, 0, columns.first], [0, rows.step, rows.first]])
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(region, cell_of_patch, (PATCH, PATCH), flags=how)

    def axes(self, shape: tuple[int, ...]) -> tuple["Axis", "Axis"]:
        """How columns and rows of an image (H, W, ...) become the patch's."""
        return (
            self._axis(self.center_x, shape[1]),
            self._axis(self.center_y, shape[0]),
        )

    def _axis(self, center: float, size: int) -> "Axis":
        coarser = max(int(self.side / PATCH), 1)
        edge = 2 + int(self.side / PATCH)
        low = center - self.side / 2
        start = max(math.floor(low) - edge, 0)
        stop = min(math.ceil(low + self.side) + edge, size)
        if start >= stop:
            return Axis(0, 0, 0, 1.0, 0.0)
        cells = max(round((stop - start) / coarser), 1)
        width = (stop - start) / cells
        return Axis(
            start, stop, cells, self.side / PATCH / width, (low - start + 0.5) / width - 0.5
        )

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


#: Shows black of any image.
NOWHERE = Crop(-1e6, -1e6, MIN_SIDE_PX)


def crop_for(joints: np.ndarray) -> Crop:
    """The crop of joints (N, 2) in image pixels: about their tight box.

    >>> crop_for(np.array([[100.0, 100.0], [300.0, 200.0]])).side  # MARGIN times the longer side
    280.0
    """
    return Crop.around(boxes.tight(joints))
