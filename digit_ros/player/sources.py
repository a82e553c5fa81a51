# SPDX-License-Identifier: Apache-2.0
"""Where the player's pictures come from: a video, pictures, or a camera. No ROS here.

A source is an iterable of (picture, path): picture (H, W, 3) uint8 BGR as OpenCV reads it, path the
file that it came from (None for a camera). It knows its own rate, or 0 when it has none.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from digit_core.picture import decode_picture
from digit_core.printable import printable

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")

Frame = tuple[np.ndarray, Path | None]


class BadSource(ValueError):
    """A source that cannot be played; its text is one sentence that names it and says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))


@dataclass(frozen=True)
class Pictures:
    """Picture files in order; they have no rate of their own."""

    paths: tuple[Path, ...]
    rate_hz: float = 0.0

    def __iter__(self) -> Iterator[Frame]:
        for path in self.paths:
            picture = _picture(path)
            if picture is None:
                raise BadSource(f"{path} is no picture that can be decoded")
            yield picture, path


@dataclass(frozen=True)
class Video:
    """A video file, played at the rate that it names."""

    path: Path
    rate_hz: float

    def __iter__(self) -> Iterator[Frame]:
        capture = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG)
        try:
            while (picture := _read(capture)) is not None:
                yield picture, self.path
        finally:
            capture.release()


@dataclass(frozen=True)
class CameraDevice:
    """A camera of this machine, by its index; it sets the pace itself."""

    index: int
    rate_hz: float = 0.0

    def __iter__(self) -> Iterator[Frame]:
        capture = cv2.VideoCapture(self.index)
        try:
            if not capture.isOpened():
                raise BadSource(f"camera {self.index} cannot be opened; is it connected and free?")
            while (picture := _read(capture)) is not None:
                yield picture, None
        finally:
            capture.release()
        raise BadSource(f"camera {self.index} gives no more pictures")


Source = Pictures | Video | CameraDevice


def quiet_decoders() -> None:
    """Keep OpenCV and FFmpeg silent in this process: `BadSource` says what is wrong, once."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def open_source(source: str | int | tuple[str, ...]) -> Source:
    """The source that was meant.

    Args:
        source: a camera's index; a video, a picture, a folder of pictures; or a list of pictures.

    Raises:
        BadSource: there is no such file, or it holds neither video nor picture.
    """
    if isinstance(source, int):
        return CameraDevice(source)
    if not isinstance(source, str):
        return Pictures(tuple(_existing(name) for name in source))
    if not source:
        raise BadSource("source is empty; expected a video, a picture, a folder or a camera index")
    path = _existing(source)
    if path.is_dir():
        return Pictures(_pictures_of(path))
    if path.suffix.lower() in PICTURES:
        return Pictures((path,))
    return _open_video(path)


def _existing(name: str) -> Path:
    path = Path(name).expanduser()
    if not path.exists():
        raise BadSource(f"{path} does not exist")
    return path


def _pictures_of(folder: Path) -> tuple[Path, ...]:
    paths = tuple(p for p in sorted(folder.iterdir()) if p.suffix.lower() in PICTURES)
    if not paths:
        raise BadSource(f"{folder} holds no picture ({', '.join(PICTURES)})")
    return paths


def _picture(path: Path) -> np.ndarray | None:
    try:
        return decode_picture(path.read_bytes())
    except OSError as error:
        raise BadSource(f"{path} cannot be read: {error.strerror}") from error


def _open_video(path: Path) -> Video:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened() or _read(capture) is None:
            raise BadSource(f"{path} is no video that can be decoded")
        rate_hz = capture.get(cv2.CAP_PROP_FPS)
    finally:
        capture.release()
    return Video(path, rate_hz if 0.0 < rate_hz <= 1000.0 else 0.0)


def _read(capture: cv2.VideoCapture) -> np.ndarray | None:
    done, picture = capture.read()
    return picture if done else None
