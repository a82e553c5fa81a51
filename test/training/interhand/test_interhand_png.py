# SPDX-License-Identifier: Apache-2.0
"""PNGs decoded our way equal OpenCV's to the last bit; the rest is left to OpenCV."""

import zlib

import cv2
import numpy as np
import pytest

from training.interhand import png

SIZES = ((2, 1), (7, 3), (334, 512), (512, 334))


def encoded(picture, *options):
    return cv2.imencode(".png", picture, list(options))[1].tobytes()


def drawn(size, channels):
    """Noise in one half, as a photo, and flat areas in the other, as labels."""
    width, height = size
    picture = np.random.default_rng(width).integers(0, 256, (height, width, channels), np.uint8)
    picture[: height // 2] = picture[: height // 2] // 86
    return picture[:, :, 0] if channels == 1 else picture


def by_opencv(value, flag):
    return cv2.imdecode(np.frombuffer(value, np.uint8), flag)


@pytest.fixture
def decoded_here(monkeypatch):
    """The rest of the test fails where OpenCV is asked."""
    pytest.importorskip("deflate")
    monkeypatch.setattr(png.cv2, "imdecode", lambda *_: pytest.fail("OpenCV decoded"))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_picture_of_opencvs_encoder(size, decoded_here):
    picture = drawn(size, 3)
    assert np.array_equal(png.decode_color(encoded(picture)), picture)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_labels_of_one_channel_and_of_three_equal_ones(size, channels, decoded_here):
    labels = drawn(size, 1)
    value = encoded(labels if channels == 1 else np.dstack([labels] * 3))
    assert np.array_equal(png.decode_gray(value), labels)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "options",
    [
        (),
        (cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_ALL_FILTERS),
        (cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH),
        (cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE),
        (cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT),
        (cv2.IMWRITE_PNG_COMPRESSION, 0),
        (cv2.IMWRITE_PNG_COMPRESSION, 9),
    ],
    ids=str,
)
def test_every_form_equals_opencv(channels, kind, options):
    value = encoded(drawn((61, 40), channels).astype(kind), *options)
    assert np.array_equal(png.decode_color(value), by_opencv(value, cv2.IMREAD_COLOR))
    assert np.array_equal(png.decode_gray(value), by_opencv(value, cv2.IMREAD_GRAYSCALE))


def test_damage_is_opencvs_to_judge():
    whole = encoded(drawn((61, 40), 3))
    for cut in (0, 4, 8, 20, 33, 60, len(whole) // 2, len(whole) - 13):
        told, expected = png.decode_color(whole[:cut]), None
        if cut:
            expected = by_opencv(whole[:cut], cv2.IMREAD_COLOR)
        assert (told is None) == (expected is None), cut
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    told, expected = png.decode_color(bytes(flipped)), by_opencv(flipped, cv2.IMREAD_COLOR)
    assert np.array_equal(told, expected) if expected is not None else told is None


def without_checksum(kind):
    """A PNG in which a chunk's checksum is wrong; for IHDR with width and height exchanged."""
    data = bytearray(cv2.imencode(".png", np.zeros((8, 12, 3), np.uint8))[1].tobytes())
    place = data.index(kind)
    if kind == b"IHDR":
        data[place + 4 : place + 12] = data[place + 8 : place + 12] + data[place + 4 : place + 8]
    else:
        data[-20] ^= 1  # in IDAT's checksum
    return bytes(data)


@pytest.mark.parametrize("kind", [b"IHDR", b"IDAT"])
def test_checksums_are_looked_at(kind):
    """Found by fuzzing: OpenCV refuses what was decoded here."""
    value = without_checksum(kind)
    assert cv2.imdecode(np.frombuffer(value, np.uint8), cv2.IMREAD_COLOR) is None
    assert png.decode_color(value) is None


def test_a_picture_without_width_is_none():
    """Found by fuzzing: it was decoded to an array of nothing."""
    value = cv2.imencode(".png", np.zeros((8, 12, 3), np.uint8))[1].tobytes()
    head = value[12:16] + bytes(4) + value[20:29]
    assert (
        png.decode_color(value[:12] + head + zlib.crc32(head).to_bytes(4, "big") + value[33:])
        is None
    )


def test_a_huge_size_in_a_damaged_header_takes_no_memory():
    value = bytearray(encoded(drawn((61, 40), 3)))
    value[16:24] = b"\x7f\xff\xff\xff" * 2
    assert png.decode_color(bytes(value)) is None


def test_without_deflate_opencv_decodes(monkeypatch):
    monkeypatch.setattr(png, "deflate", None)
    picture = drawn((61, 40), 3)
    assert np.array_equal(png.decode_color(encoded(picture)), picture)
