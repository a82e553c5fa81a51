# SPDX-License-Identifier: Apache-2.0
"""Variations of training patches beyond the release's, all off unless asked for."""

from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np

from digit_core.picture import decode_picture
from training.interhand.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Variations:
    """Which are on; each concerns half of the items.

    Attributes:
        backgrounds: pictures that replace what is outside the part labels; none: off.
        strong_color: brightness, contrast, saturation and hue.
        blur: Gaussian, up to 2 px.
        jpeg: compression at quality 15 to 80.
        cutout: one grey rectangle of up to 0.4 of the patch's sides.
    """

    backgrounds: tuple[Path, ...] = ()
    strong_color: bool = False
    blur: bool = False
    jpeg: bool = False
    cutout: bool = False

    def any(self) -> bool:
        """Whether there is anything to do."""
        return any(getattr(self, field.name) for field in fields(self))


def find_backgrounds(folder: Path) -> tuple[Path, ...]:
    """The pictures of a folder and those below it.

    Raises:
        DataError: there is none.
    """
    found = tuple(sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES))
    if not found:
        raise DataError(f"{folder}: no {', '.join(SUFFIXES)} in it for --background")
    return found


def vary(
    patch: np.ndarray, labels: np.ndarray | None, which: Variations, rng: np.random.Generator
) -> np.ndarray:
    """A varied copy of a patch.

    Args:
        patch: (H, W, 3) uint8 RGB.
        labels: (H, W) uint8 part labels; without them the background stays.
        which: what to do.
        rng: decides how.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    if which.backgrounds and labels is not None and rng.random() < 0.5:
        patch = _on_background(patch, labels, which.backgrounds, rng)
    if which.strong_color and rng.random() < 0.5:
        patch = _colored(patch, rng)
    if which.blur and rng.random() < 0.5:
        patch = cv2.GaussianBlur(patch, (0, 0), rng.uniform(0.3, 2.0))
    if which.jpeg and rng.random() < 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 81))]
        packed = cv2.imencode(".jpg", patch, quality)[1]
        patch = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))
    if which.cutout and rng.random() < 0.5:
        patch = _cut_out(patch, rng)
    return patch


def _on_background(
    patch: np.ndarray, labels: np.ndarray, paths: tuple[Path, ...], rng: np.random.Generator
) -> np.ndarray:
    path = paths[rng.integers(len(paths))]
    try:
        picture = decode_picture(path.read_bytes(), cv2.IMREAD_COLOR_RGB)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if picture is None:
        raise DataError(f"{path}: not a picture; take it out of the --background folder")
    height, width = labels.shape
    scale = max(height / picture.shape[0], width / picture.shape[1])
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    picture = cv2.resize(picture, (max(width, picture.shape[1]), max(height, picture.shape[0])))
    y, x = (rng.integers(free + 1) for free in np.subtract(picture.shape[:2], labels.shape))
    hand = cv2.GaussianBlur((labels > 0).astype(np.float32), (0, 0), 1.0)[..., None]
    return np.rint(patch * hand + picture[y : y + height, x : x + width] * (1 - hand)).astype(
        np.uint8
    )


def _colored(patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    hsv = cv2.cvtColor(patch, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + rng.uniform(-9, 9)) % 180  # OpenCV counts hue in 2 degrees
    hsv[..., 1:] *= rng.uniform(0.5, 1.5, 2)
    rgb = cv2.cvtColor(hsv.clip(0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB).astype(np.float32)
    mean = rgb.mean()
    return ((rgb - mean) * rng.uniform(0.6, 1.4) + mean).clip(0, 255).astype(np.uint8)


def _cut_out(patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    size = np.array(patch.shape[:2])
    low = (rng.uniform(0, 0.9, 2) * size).astype(int)
    high = low + (rng.uniform(0.1, 0.4, 2) * size).astype(int)
    patch = patch.copy()
    patch[low[0] : high[0], low[1] : high[1]] = rng.integers(0, 256)
    return patch
