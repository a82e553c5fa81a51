# SPDX-License-Identifier: Apache-2.0
"""Picture files decoded; what is refused was found by fuzzing."""

import cv2
import numpy as np
import pytest

from digit_core.media import Media, MediaError
from digit_core.picture import decode_picture

PICTURE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
PNG = cv2.imencode(".png", PICTURE)[1].tobytes()


@pytest.mark.parametrize("kind", ["png", "bmp", "tiff"])
def test_a_good_picture_is_as_it_was(kind):
    data = cv2.imencode(f".{kind}", PICTURE)[1]
    assert np.array_equal(decode_picture(data), PICTURE)
    assert np.array_equal(decode_picture(data.tobytes()), PICTURE)
    assert decode_picture(data, cv2.IMREAD_GRAYSCALE).shape == (24, 32)


def lying():
    """A PNG whose rows are said to be 4 GB long: OpenCV took that much room."""
    place = PNG.index(b"IDAT") - 4
    return PNG[:place] + b"\xff\xff\xff\x7f" + PNG[place + 4 :]


@pytest.mark.parametrize("data", [b"", b"hello", PNG[:100], lying()])
def test_damage_gives_nothing(data):
    assert decode_picture(data) is None


def test_a_size_that_opencv_refuses_gives_nothing():
    data = bytearray(cv2.imencode(".jpg", PICTURE)[1].tobytes())
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = b"\xff\xff\xff\xff"
    assert decode_picture(bytes(data)) is None


def test_a_damaged_file_is_one_sentence(tmp_path):
    path = tmp_path / "lying.png"
    path.write_bytes(lying())
    with pytest.raises(MediaError, match="lying.png: a damaged picture"):
        list(Media.open(path).frames())
