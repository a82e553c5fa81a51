# SPDX-License-Identifier: Apache-2.0
"""Picture files decoded; what is refused was found by fuzzing."""

import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest

from digit_core.media import Media, MediaError
from digit_core.picture import MAX_PIXELS, decode_picture
from digit_core.picture_size import picture_size

#: OpenCV writes no smaller one as JPEG 2000.
PICTURE = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
PNG = cv2.imencode(".png", PICTURE)[1].tobytes()


@pytest.mark.parametrize("kind", ["png", "bmp", "tiff"])
def test_a_good_picture_is_as_it_was(kind):
    data = cv2.imencode(f".{kind}", PICTURE)[1]
    assert np.array_equal(decode_picture(data), PICTURE)
    assert np.array_equal(decode_picture(data.tobytes()), PICTURE)
    assert decode_picture(data, cv2.IMREAD_GRAYSCALE).shape == (96, 128)


def written(kind):
    """PICTURE as a file of a kind."""
    image = PICTURE.astype(np.float32) / 255 if kind == "hdr" else PICTURE
    flags = [cv2.IMWRITE_WEBP_QUALITY, 101] if kind == "webp lossless" else []
    good, data = cv2.imencode(f".{kind.split()[0]}", image, flags)
    assert good
    return data.tobytes()


KINDS = ("jpg", "png", "bmp", "webp", "webp lossless", "tiff", "gif", "ppm", "pgm", "jp2", "hdr")


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_is_the_one_that_opencv_decodes(kind):
    data = written("ppm" if kind == "pgm" else kind)
    if kind == "pgm":
        data = cv2.imencode(".pgm", PICTURE[..., 0])[1].tobytes()
    height, width = decode_picture(data).shape[:2]
    assert picture_size(data) == (width, height) == (128, 96)


def chunk(kind, content):
    return struct.pack("<4sI", kind, len(content)) + content


#: A header of each kind that names 30,000 x 30,000 pixels, and nothing more.
HUGE = {
    "jpg": b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc0\0\x11\x08" + struct.pack(">HH", 30000, 30000),
    "png": PNG[:16] + struct.pack(">II", 30000, 30000) + PNG[24:],
    "bmp": b"BM" + bytes(12) + struct.pack("<Iii", 40, 30000, -30000),
    "bmp of OS/2": b"BM" + bytes(12) + struct.pack("<IHH", 12, 30000, 30000),
    "webp": b"RIFF\0\0\0\0WEBP" + chunk(b"VP8 ", bytes(6) + struct.pack("<HH", 16000, 16000)),
    "webp lossless": b"RIFF\0\0\0\0WEBP" + chunk(b"VP8L", b"\x2f" + b"\xff" * 4),
    "webp extended": b"RIFF\0\0\0\0WEBP" + chunk(b"VP8X", b"\0\0\0\0" + b"\x30\x75\0" * 2),
    "tiff": b"II*\0\x08\0\0\0\x02\0" + struct.pack("<HHIIHHII", 256, 4, 1, 30000, 257, 4, 1, 30000),
    "tiff, big-endian": b"MM\0*\0\0\0\x08\0\x02"
    + struct.pack(">HHIHHHHIHH", 256, 3, 1, 30000, 0, 257, 3, 1, 30000, 0),
    "big tiff": b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0"
    + struct.pack("<HHQQHHQQ", 256, 16, 1, 30000, 257, 16, 1, 30000),
    "gif": b"GIF89a" + struct.pack("<HH", 30000, 30000),
    "pgm": b"P5\n# 3 3\n30000 # 3\n\t30000\n255\n",
    "pgm, many zeros": b"P5 " + b"0" * 30 + b"30000 30000 255\n",
    "jp2": b"\xff\x4f\xff\x51" + struct.pack(">HH4I16xH", 41, 0, 30000, 30000, 0, 0, 1),
    "hdr": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 30000 +X 30000\n",
}


@pytest.mark.parametrize("data", HUGE.values(), ids=HUGE)
def test_pictures_that_would_fill_the_memory_are_refused(data, monkeypatch):
    width, height = picture_size(data)
    assert width * height > MAX_PIXELS
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("OpenCV was asked"))
    assert decode_picture(data) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_that_is_cut_off_has_no_size(kind):
    data = written("ppm" if kind == "pgm" else kind)
    for length in range(6):
        assert picture_size(data[:length]) is None


def test_formats_of_unknown_size_are_refused():
    good, data = cv2.imencode(".ras", PICTURE)
    assert good and cv2.imdecode(data, cv2.IMREAD_COLOR) is not None
    assert decode_picture(data) is None


def test_opencv_s_own_variable_sets_the_limit(monkeypatch):
    monkeypatch.setenv("OPENCV_IO_MAX_IMAGE_PIXELS", "100")
    assert decode_picture(PNG) is None


UNCHANGED = """
import os
before = dict(os.environ)
import digit_core
assert dict(os.environ) == before
import cv2, numpy as np, torch  # OpenCV's wheel adds its folder to LD_LIBRARY_PATH
before = dict(os.environ)
import digit_core.media
assert [getattr(digit_core, name) for name in digit_core.__all__]
assert dict(os.environ) == before, set(os.environ.items()) ^ set(before.items())
picture = cv2.imencode(".png", np.zeros((10100, 10000), np.uint8))[1]
assert cv2.imdecode(picture, cv2.IMREAD_GRAYSCALE).shape == (10100, 10000)
assert digit_core.picture.decode_picture(picture) is None
"""


def test_importing_us_changes_neither_the_environment_nor_opencv_s_limits():
    subprocess.run([sys.executable, "-c", UNCHANGED], check=True, timeout=200)


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
