# SPDX-License-Identifier: Apache-2.0
"""Image messages to RGB: every encoding, row padding, byte order, and what is refused."""

import os
import sys
from array import array

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from digit_ros.images import BadImage, image_from_array, rgb_from_compressed, rgb_from_image

RGB = np.random.default_rng(3).integers(0, 256, (6, 8, 3), dtype=np.uint8)
GREY = np.repeat(RGB[:, :, :1], 3, axis=2)
ALPHA = np.full((6, 8, 1), 77, np.uint8)


def message(pixels: np.ndarray, encoding: str, padding: int = 0, big_endian: bool = False) -> Image:
    """`pixels` (H, W[, C]) laid out with `padding` bytes after each row."""
    pixels = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<"))
    rows = [row.tobytes() + b"\xaa" * padding for row in pixels]
    image = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding)
    image.step, image.is_bigendian, image.data = (
        len(rows[0]),
        int(big_endian),
        array("B", b"".join(rows)),
    )
    return image


def wide(pixels: np.ndarray) -> np.ndarray:
    """The same brightness in 16 bits: 255 becomes 65535."""
    return pixels.astype(np.uint16) * 257


@pytest.mark.parametrize("padding", [0, 12])
@pytest.mark.parametrize(
    ("encoding", "pixels", "expected"),
    [
        ("rgb8", RGB, RGB),
        ("bgr8", RGB[..., ::-1], RGB),
        ("8UC3", RGB[..., ::-1], RGB),
        ("rgba8", np.dstack([RGB, ALPHA]), RGB),
        ("bgra8", np.dstack([RGB[..., ::-1], ALPHA]), RGB),
        ("mono8", RGB[..., 0], GREY),
        ("8UC1", RGB[..., 0], GREY),
        ("mono16", wide(RGB[..., 0]), GREY),
        ("rgb16", wide(RGB), RGB),
        ("bgr16", wide(RGB[..., ::-1]), RGB),
        ("8UC4", np.dstack([RGB[..., ::-1], ALPHA]), RGB),
        ("rgba16", wide(np.dstack([RGB, ALPHA])), RGB),
        ("bgra16", wide(np.dstack([RGB[..., ::-1], ALPHA])), RGB),
    ],
)
def test_encodings_become_rgb(encoding, pixels, expected, padding):
    got = rgb_from_image(message(pixels, encoding, padding))
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, expected)


def test_big_endian_16_bit_is_read_in_its_own_order():
    got = rgb_from_image(message(wide(RGB[..., 0]), "mono16", padding=6, big_endian=True))
    np.testing.assert_array_equal(got, GREY)


@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv"])
def test_yuv_grey_keeps_its_brightness(encoding):
    luma = np.full((4, 8), 126, np.uint8)
    chroma = np.full((4, 8), 128, np.uint8)
    first = encoding in ("yuv422", "uyvy")
    got = rgb_from_image(
        message(np.dstack([chroma, luma] if first else [luma, chroma]), encoding, 4)
    )
    assert np.ptp(got) == 0 and abs(int(got[0, 0, 0]) - 128) <= 1


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("order", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_first_pixels_name_the_pattern(order, bits):
    colour = {"r": 200, "g": 100, "b": 20}
    pattern = np.array([colour[c] for c in order], np.uint8).reshape(2, 2)
    pattern = wide(pattern) if bits == 16 else pattern
    got = rgb_from_image(message(np.tile(pattern, (4, 4)), f"bayer_{order}{bits}"))
    np.testing.assert_array_equal(got[3, 3], [200, 100, 20])


WITHOUT_CV_BRIDGE = """
import sys
from array import array
import numpy as np
from sensor_msgs.msg import Image
from digit_ros.images import BadImage, rgb_from_image

def image(encoding, channels):
    data = array("B", bytes(4 * channels))
    return Image(height=2, width=2, encoding=encoding, step=2 * channels, data=data)

for encoding in ("rgb8", "bgr8", "8UC3"):
    assert rgb_from_image(image(encoding, 3)).shape == (2, 2, 3)
assert "cv_bridge" not in sys.modules
assert rgb_from_image(image("mono8", 1)).shape == (2, 2, 3)
"""


def run_without_cv_bridge(tmp_path, start_process, error):
    """Where importing cv_bridge fails as Jazzy's does under NumPy 2."""
    (tmp_path / "cv_bridge.py").write_text(f"raise {error}")
    path = f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}"
    process = start_process(sys.executable, "-c", WITHOUT_CV_BRIDGE, env={"PYTHONPATH": path})
    assert process.wait() == 1
    return process.output.splitlines()[-1]


@pytest.mark.parametrize("error", ["ImportError", "AttributeError"])
def test_colour_images_need_no_cv_bridge_and_others_say_so(tmp_path, start_process, error):
    said = run_without_cv_bridge(tmp_path, start_process, f"{error}('_ARRAY_API not found')")
    assert said == (
        "digit_ros.images.BadImage: encoding 'mono8' needs cv_bridge, which cannot be imported"
        ' (_ARRAY_API not found); install it, and on Jazzy "numpy<2"'
    )


def test_what_cv_bridge_refuses_is_named():
    """A 4:2:2 pixel pair needs two columns."""
    pixels = np.zeros((2, 3, 2), np.uint8)
    with pytest.raises(BadImage, match="an image of 3x2 cannot be converted from yuyv to RGB"):
        rgb_from_image(message(pixels, "yuyv"))


def test_rgb8_is_a_view_of_the_message():
    image = message(RGB, "rgb8", padding=5)
    assert np.shares_memory(rgb_from_image(image), np.frombuffer(image.data, np.uint8))


def test_last_row_may_lack_its_padding():
    image = message(RGB, "rgb8", padding=5)
    image.data = image.data[:-5]
    np.testing.assert_array_equal(rgb_from_image(image), RGB)


def changed(**changes) -> Image:
    image = message(RGB, "rgb8")
    for name, value in changes.items():
        setattr(image, name, value)
    return image


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (changed(encoding="rgb9"), ["'rgb9'", "rgb8, bgr8"]),
        (changed(encoding=""), ["encoding ''", "expected one of"]),
        (changed(width=0), ["0x6", "at least 1x1"]),
        (changed(height=0), ["8x0", "at least 1x1"]),
        (changed(step=23), ["step 23", "at least 24 bytes"]),
        (changed(step=0), ["step 0", "at least 24 bytes"]),
        (changed(data=array("B", bytes(143))), ["143 bytes", "expected 144"]),
        (changed(height=2**32 - 1, width=2**32 - 1), ["step 24", "does not fit"]),
        (changed(height=2**32 - 1), ["144 bytes", "does not fit"]),
    ],
)
def test_bad_images_are_named(image, words):
    with pytest.raises(BadImage) as caught:
        rgb_from_image(image)
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)


def test_compressed_png_comes_back_exactly():
    data = cv2.imencode(".png", RGB[..., ::-1])[1]
    picture = rgb_from_compressed(CompressedImage(format="png", data=array("B", data.tobytes())))
    np.testing.assert_array_equal(picture, RGB)


@pytest.mark.parametrize("kind", ["grey", "16 bits", "transparent"])
def test_compressed_pictures_of_other_kinds_become_rgb(kind):
    grey = RGB[..., :1].repeat(3, axis=2)
    stored, expected = {
        "grey": (RGB[..., 0], grey),
        "16 bits": (RGB[..., ::-1].astype(np.uint16) * 257, RGB),
        "transparent": (np.dstack([RGB[..., ::-1], RGB[..., 0]]), RGB),
    }[kind]
    data = cv2.imencode(".png", stored)[1]
    picture = rgb_from_compressed(CompressedImage(format="png", data=array("B", data.tobytes())))
    np.testing.assert_array_equal(picture, expected)


def test_a_jpeg_keeps_its_colours():
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 200
    data = cv2.imencode(".jpg", red[..., ::-1])[1]
    picture = rgb_from_compressed(CompressedImage(format="jpeg", data=array("B", data.tobytes())))
    assert np.abs(picture.astype(int) - red).max() < 5


@pytest.mark.parametrize("data", [b"", b"no picture at all", b"\xff\xd8\xff\xe0" + bytes(40)])
def test_undecodable_compressed_data_is_named(data):
    with pytest.raises(BadImage, match=f"{len(data)} bytes of format 'jpeg'"):
        rgb_from_compressed(CompressedImage(format="jpeg", data=array("B", data)))


@pytest.mark.parametrize(("picture", "encoding"), [(RGB, "rgb8"), (RGB[..., 0], "mono8")])
def test_published_arrays_read_back(picture, encoding):
    header = Header(frame_id="camera")
    image = image_from_array(picture, encoding, header)
    assert (image.header, image.height, image.width) == (header, 6, 8)
    np.testing.assert_array_equal(rgb_from_image(image)[..., 0], picture.reshape(6, 8, -1)[..., 0])
