# SPDX-License-Identifier: Apache-2.0
"""The content of picture files decoded, without what OpenCV's decoders can be misled to do."""

import os

import cv2
import numpy as np

from digit_core.picture_size import picture_size

#: Larger pictures are refused: a JPEG of 600 bytes whose header says 30,000 x 30,000 would take
#: 5 GB. Who sets OpenCV's own variable sets this limit, too.
MAX_PIXELS = 100_000_000
#: What `decode_picture` takes, for sentences about what it does not.
EXPECTED = (
    "JPEG, PNG, BMP, WebP, TIFF, GIF, PNM, JPEG 2000 or Radiance HDR of at most 100 million pixels"
)
_OPENCV_LIMIT = "OPENCV_IO_MAX_IMAGE_PIXELS"
_PNG = b"\x89PNG\r\n\x1a\n"
_AROUND = 12  # bytes of a chunk of a PNG beside its content: length, name, checksum


def decode_picture(data: bytes | np.ndarray, flags: int = cv2.IMREAD_COLOR) -> np.ndarray | None:
    """A picture as `cv2.imdecode` gives it; None where it is damaged, refused or none at all.

    Refused are pictures of more than `MAX_PIXELS`, and formats whose size
    `digit_core.picture_size` does not find. Nothing of the process is changed for it.

    Args:
        data: a picture file's content, bytes or (N,) uint8.
        flags: of `cv2.imdecode`.

    >>> decode_picture(b"P5 2 1 255\\n" + bytes([10, 20]), cv2.IMREAD_GRAYSCALE)
    array([[10, 20]], dtype=uint8)
    >>> decode_picture(b"P5 30000 30000 255\\n") is None
    True
    """
    content = np.frombuffer(data, np.uint8)
    if not content.size or _is_too_large(content.data) or _lies(content):
        return None
    try:
        return cv2.imdecode(content, flags)
    except cv2.error:  # over sizes that it refuses; other damage gives None
        return None


def _is_too_large(content: memoryview) -> bool:
    size = picture_size(content)
    return size is None or size[0] * size[1] > _limit()


def _limit() -> int:
    given = os.environ.get(_OPENCV_LIMIT, "")
    return int(given) if given.isdigit() else MAX_PIXELS


def _lies(content: np.ndarray) -> bool:
    """Whether a chunk of a PNG is said to go on after the end: OpenCV would take room for it all.

    687 bytes cost 4 GB.
    """
    if content[: len(_PNG)].tobytes() != _PNG:
        return False
    place = len(_PNG)
    kind = b""
    while place + _AROUND <= content.size and kind != b"IEND":
        kind = content[place + 4 : place + 8].tobytes()
        place += _AROUND + int.from_bytes(content[place : place + 4].tobytes(), "big")
    return place > content.size
