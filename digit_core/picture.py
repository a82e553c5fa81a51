# SPDX-License-Identifier: Apache-2.0
"""The content of picture files decoded, with the traps that OpenCV leaves open shut."""

import cv2
import numpy as np

_PNG = b"\x89PNG\r\n\x1a\n"
_AROUND = 12  # bytes of a chunk of a PNG beside its content: length, name, checksum


def decode_picture(data: bytes | np.ndarray, flags: int = cv2.IMREAD_COLOR) -> np.ndarray | None:
    """A picture as `cv2.imdecode` gives it; None where it is damaged, refused or none at all.

    Args:
        data: a picture file's content, bytes or (N,) uint8.
        flags: of `cv2.imdecode`.
    """
    content = np.frombuffer(data, np.uint8)
    if not content.size or _lies(content):
        return None
    try:
        return cv2.imdecode(content, flags)
    except cv2.error:  # over sizes that it refuses; other damage gives None
        return None


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
