# SPDX-License-Identifier: Apache-2.0
"""Pictures and videos from files, and overlays back to files."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from digit_core.picture import EXPECTED, decode_picture
from digit_core.printable import printable

#: Videos that do not tell their rate, and overlays of them.
DEFAULT_FPS = 30.0
_JPEG_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 92]


class MediaError(ValueError):
    """A file that cannot be read or written; the message names it and says what was expected."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))


@dataclass
class Media:
    """A picture, or a video opened for reading once.

    Attributes:
        path: the file.
        is_video: or else a picture.
        fps: frames a second.
    """

    path: Path
    is_video: bool
    fps: float = DEFAULT_FPS
    _capture: cv2.VideoCapture | None = field(default=None, repr=False)

    @classmethod
    def open(cls, path: Path) -> "Media":
        """Open a file; its content, not its name, tells what it is.

        Raises:
            MediaError: there is no such file, or it is neither a picture nor a video.
        """
        if not path.is_file():
            raise MediaError(f"{path}: no such file")
        if path.stat().st_size == 0:
            raise MediaError(f"{path}: the file is empty")
        if cv2.haveImageReader(str(path)):
            return cls(path, is_video=False)
        capture = cv2.VideoCapture(str(path))
        if not capture.isOpened():
            raise MediaError(f"{path}: neither a picture nor a video that can be read")
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        usable = np.isfinite(fps) and 1 <= fps <= 1000
        return cls(path, True, fps if usable else DEFAULT_FPS, capture)

    def frames(self) -> Iterator[np.ndarray]:
        """Yield the frames, each (H, W, 3) uint8 RGB; a picture has one.

        Raises:
            MediaError: the content is damaged; for a video after the frames before the damage.
        """
        if self._capture is None:
            image = self._picture()
            if image is None:
                raise MediaError(f"{self.path}: a damaged picture; expected {EXPECTED}")
            yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            return
        yield from self._video_frames(self._capture)

    def _picture(self) -> np.ndarray | None:
        try:
            return decode_picture(self.path.read_bytes())
        except OSError as error:
            raise MediaError(f"{self.path}: cannot be read: {error.strerror}") from error

    def _video_frames(self, capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
        promised, count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0
        try:
            while True:
                good, image = capture.read()
                if not good:
                    break
                count += 1
                yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        finally:
            capture.release()
        if count == 0:
            raise MediaError(f"{self.path}: a video without a readable frame")
        # The count in the file is an estimate; only a large gap is a sign of damage.
        if count < 0.9 * promised:
            raise MediaError(
                f"{self.path}: the video breaks off after {count} of {promised} frames"
            )


def write_picture(path: Path, image: np.ndarray) -> None:
    """Write an image (H, W, 3) uint8 RGB; it appears only when it is complete.

    Raises:
        MediaError: it cannot be written.
    """
    good, data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _JPEG_QUALITY)
    if not good:
        raise MediaError(
            f"{path}: a picture of {image.shape[1]}x{image.shape[0]} cannot be encoded"
        )
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_bytes(data.tobytes())
        os.replace(unfinished, path)
    except OSError as error:
        raise MediaError(f"{path}: cannot be written: {error.strerror}") from error


class VideoWriter:
    """An .mp4 file of RGB frames, all of the first one's size; complete after `close`."""

    def __init__(self, path: Path, fps: float) -> None:
        """Write to `path` at `fps` frames a second; nothing is made before the first frame."""
        self._path, self._fps = path, fps
        self._unfinished = path.with_name(path.stem + ".part" + path.suffix)
        self._writer: cv2.VideoWriter | None = None

    def add(self, image: np.ndarray) -> None:
        """Append a frame (H, W, 3) uint8 RGB.

        Raises:
            MediaError: the file cannot be written.
        """
        if self._writer is None:
            size = (image.shape[1], image.shape[0])
            codec = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._unfinished), codec, self._fps, size)
            if not self._writer.isOpened():
                raise MediaError(f"{self._path}: cannot be written as a video")
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()
            os.replace(self._unfinished, self._path)
