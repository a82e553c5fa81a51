# SPDX-License-Identifier: Apache-2.0
"""Square views of real photos: turned, mirrored, scaled and cut out."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from digit_core import boxes
from training.default_weights.photos import Photo

#: Standard deviation of turns, and the share of views that are turned by any angle.
_TURN_RAD, _ANY_TURN = math.radians(25.0), 0.15


@dataclass(frozen=True)
class View:
    """A square of a photo, shown in `size` pixels.

    Attributes:
        centre: (2,) photo pixels.
        side: photo pixels.
        turn: (2, 2), from the view's axes to the photo's: a rotation, and a flip where mirrored.
        size: pixels along a side.
    """

    centre: np.ndarray
    side: float
    turn: np.ndarray
    size: int

    @property
    def mirrored(self) -> bool:
        """Whether right hands look like left ones."""
        return bool(np.linalg.det(self.turn) < 0)

    def from_photo(self, points: np.ndarray) -> np.ndarray:
        """Photo pixels (..., 2) to view pixels, (0, 0) the first one's centre."""
        middle = (self.size - 1) / 2
        return (points - self.centre) @ self.turn * (self.size / self.side) + middle

    def to_photo(self, points: np.ndarray) -> np.ndarray:
        """View pixels (..., 2) to photo pixels: the inverse of `from_photo`."""
        middle = (self.size - 1) / 2
        return (points - middle) @ self.turn.T * (self.side / self.size) + self.centre

    def cut(self, image: np.ndarray, border: int) -> np.ndarray:
        """The view of an image (H, W, 3) uint8: (size, size, 3); `border` is around the image.

        Where the view is at most half as fine as the image, the image is averaged down first.
        """
        scale, centre = self.side / self.size, self.centre
        coarser = int(scale)
        if coarser > 1:
            height, width = image.shape[:2]
            cells = np.array([max(width // coarser, 1), max(height // coarser, 1)])
            shrunk = cells / (width, height)
            image = cv2.resize(image, cells.tolist(), interpolation=cv2.INTER_AREA)
            turn, centre = self.turn * shrunk[:, None], (centre + 0.5) * shrunk - 0.5
        else:
            turn = self.turn
        to_image = np.empty((2, 3))
        to_image[:, :2] = turn * scale
        to_image[:, 2] = centre - to_image[:, :2] @ np.full(2, (self.size - 1) / 2)
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        square, colour = (self.size, self.size), (border,) * 3
        return cv2.warpAffine(image, to_image, square, flags=how, borderValue=colour)


def random_turn(rng: np.random.Generator) -> np.ndarray:
    """A rotation (2, 2), most of them small; half of them mirrored."""
    any_turn = rng.random() < _ANY_TURN
    angle = rng.uniform(-math.pi, math.pi) if any_turn else rng.normal(0.0, _TURN_RAD)
    c, s = math.cos(angle), math.sin(angle)
    flip = -1.0 if rng.random() < 0.5 else 1.0
    return np.array([[flip * c, -s], [flip * s, c]])


def around(
    rng: np.random.Generator,
    points: np.ndarray,
    margin: tuple[float, float],
    moved: float,
    size: int,
) -> View:
    """A view about points (N, 2) in photo pixels, as a crop is laid about a hand's joints.

    Args:
        rng: source of randomness.
        points: photo pixels.
        margin: least and most side over the longer side of the points' box, log-uniform.
        moved: deviation of the box's middle from the view's, as a share of its side.
        size: of the view, pixels.
    """
    turn = random_turn(rng)
    x, y, w, h = boxes.tight(points @ turn)
    side = max(w, h, 4.0) * log_uniform(rng, *margin)
    centre = np.array([x + w / 2, y + h / 2]) + rng.normal(0.0, moved, 2) * side
    return View(turn @ centre, side, turn, size)


def anywhere(rng: np.random.Generator, photo: Photo, share: tuple[float, float], size: int) -> View:
    """A view about any place of a photo, its side a log-uniform share of the longer side."""
    height, width = photo.image.shape[:2]
    centre = rng.uniform((0, 0), (width, height))
    side = max(width, height) * log_uniform(rng, *share)
    return View(centre, max(side, 4.0), random_turn(rng), size)


def whole(rng: np.random.Generator, photo: Photo, share: tuple[float, float], size: int) -> View:
    """A view of all of a photo, or nearly: its side is `share` of the longer side."""
    height, width = photo.image.shape[:2]
    corners = np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]])
    side = max(width, height) * log_uniform(rng, *share)
    spare = abs(side - max(width, height)) / 2
    centre = corners.mean(0) + rng.uniform(-spare, spare, 2)
    return View(centre, side, random_turn(rng), size)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is uniform."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))
