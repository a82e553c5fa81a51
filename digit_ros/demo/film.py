# SPDX-License-Identifier: Apache-2.0
"""What the demo leaves: a video that plays in real time, and a sheet of pictures from it."""

from pathlib import Path

import cv2
import numpy as np

#: Frames a second of every film; a picture stands for as many as its time asks for.
RATE_HZ = 30.0
_MOST_FRAMES_A_PICTURE = 60
_MOST_THUMBNAILS = 96
_SHEET_ROWS, _SHEET_COLUMNS = 3, 4
_THUMBNAIL = (320, 240)


class Film:
    """Pictures with their times become a video; a number of them, evenly spaced, a sheet."""

    def __init__(self, video: Path) -> None:
        """Nothing is written before the first picture, which sets the size."""
        self._video = video
        self._writer: cv2.VideoWriter | None = None
        self._last: tuple[np.ndarray, float] | None = None
        self._size = (0, 0)
        self._thumbnails: list[np.ndarray] = []
        self._stride, self._count = 1, 0

    def add(self, picture: np.ndarray, stamp_s: float) -> None:
        """Add a picture, (H, W, 3) uint8 RGB, seen at `stamp_s` seconds.

        Raises:
            OSError: the video cannot be written.
        """
        bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        if self._writer is None:
            self._open(bgr)
        if self._last is not None:
            self._write_last(stamp_s - self._last[1])
        self._last = (_fitted(bgr, self._size), stamp_s)
        self._keep_thumbnail(bgr)

    def close(self, sheet: Path) -> None:
        """Finish the video and write the sheet; without a picture nothing is written."""
        if self._writer is None:
            return
        self._write_last(0.0)
        self._writer.release()
        cv2.imwrite(str(sheet), self._sheet())

    def _open(self, bgr: np.ndarray) -> None:
        # Video codecs want even sizes.
        self._size = (bgr.shape[1] // 2 * 2, bgr.shape[0] // 2 * 2)
        codec = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(self._video), codec, RATE_HZ, self._size)
        if not self._writer.isOpened():
            raise OSError(f"{self._video} cannot be written as a video")

    def _write_last(self, duration_s: float) -> None:
        if self._writer is None or self._last is None:
            return
        frames = min(max(round(duration_s * RATE_HZ), 1), _MOST_FRAMES_A_PICTURE)
        for _ in range(frames):
            self._writer.write(self._last[0])

    def _keep_thumbnail(self, bgr: np.ndarray) -> None:
        if self._count % self._stride == 0:
            self._thumbnails.append(_fitted(bgr, _THUMBNAIL))
        self._count += 1
        if len(self._thumbnails) > _MOST_THUMBNAILS:
            # Twice as far apart from now on: the film's length is not known beforehand.
            self._thumbnails, self._stride = self._thumbnails[::2], 2 * self._stride

    def _sheet(self) -> np.ndarray:
        cells = _SHEET_ROWS * _SHEET_COLUMNS
        chosen = np.linspace(0, len(self._thumbnails) - 1, min(cells, len(self._thumbnails)))
        pictures = [self._thumbnails[round(place)] for place in chosen]
        columns = min(_SHEET_COLUMNS, len(pictures))
        blank = np.zeros_like(pictures[0])
        pictures += [blank] * (-len(pictures) % columns)
        rows = [np.hstack(pictures[i : i + columns]) for i in range(0, len(pictures), columns)]
        return np.vstack(rows)


def _fitted(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`picture` on a black canvas of (width, height), as large as fits."""
    height, width = picture.shape[:2]
    if (width, height) == size:
        return picture
    scale = min(size[0] / width, size[1] / height)
    inner = (max(round(width * scale), 1), max(round(height * scale), 1))
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    x, y = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    resized = cv2.resize(picture, inner, interpolation=cv2.INTER_AREA)
    canvas[y : y + inner[1], x : x + inner[0]] = resized
    return canvas
