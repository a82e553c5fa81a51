# SPDX-License-Identifier: Apache-2.0
"""cv_bridge of the underlay: every encoding both ways, row steps, byte order, refusals."""

import cv2
import numpy as np
import pytest
from cv_bridge import CvBridge, CvBridgeError
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

BRIDGE = CvBridge()
COLOURS = {"mono": 1, "rgb": 3, "bgr": 3, "rgba": 4, "bgra": 4}
NAMED = {
    **{f"{n}8": ("uint8", c) for n, c in COLOURS.items()},
    **{f"{n}16": ("uint16", c) for n, c in COLOURS.items()},
    **{f"bayer_{n}{b}": (f"uint{b}", 1) for n in ("rggb", "bggr", "gbrg", "grbg") for b in (8, 16)},
    "yuv422": ("uint8", 2),
    "yuv422_yuy2": ("uint8", 2),
    "uyvy": ("uint8", 2),
    "yuyv": ("uint8", 2),
}
PLAIN = {
    f"{name}C{channels}": (dtype, channels)
    for name, dtype in {
        "8U": "uint8",
        "8S": "int8",
        "16U": "uint16",
        "16S": "int16",
        "32S": "int32",
        "32F": "float32",
        "64F": "float64",
    }.items()
    for channels in (1, 2, 3, 4)
}


def picture(dtype, channels, height=4, width=6, seed=0):
    values = np.random.default_rng(seed).integers(0, 120, (height, width, channels)).astype(dtype)
    return values[:, :, 0] if channels == 1 else values


@pytest.mark.parametrize(("encoding", "layout"), [*NAMED.items(), *PLAIN.items()])
def test_there_and_back(encoding, layout):
    dtype, channels = layout
    image = picture(dtype, channels)
    message = BRIDGE.cv2_to_imgmsg(image, encoding, Header(frame_id="eye"))
    assert (message.height, message.width, message.encoding) == (4, 6, encoding)
    assert message.step == 6 * channels * image.itemsize
    assert message.header.frame_id == "eye"
    assert BRIDGE.encoding_to_dtype_with_channels(encoding) == layout
    back = BRIDGE.imgmsg_to_cv2(message)
    assert back.dtype == dtype and back.shape == image.shape
    np.testing.assert_array_equal(back, image)
    np.testing.assert_array_equal(BRIDGE.imgmsg_to_cv2(message, encoding), image)


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1", "mono16", "bgr8", "32FC3"])
@pytest.mark.parametrize("big_endian", [False, True])
def test_row_step_and_byte_order(encoding, big_endian):
    dtype, channels = (NAMED | PLAIN)[encoding]
    image = picture(dtype, channels)
    stored = image.astype(image.dtype.newbyteorder(">" if big_endian else "<")).reshape(4, -1)
    rows = [row.tobytes() + b"\xaa" * 8 for row in stored]
    message = Image(height=4, width=6, encoding=encoding, is_bigendian=big_endian)
    message.step, message.data = len(rows[0]), b"".join(rows)
    np.testing.assert_array_equal(BRIDGE.imgmsg_to_cv2(message), image)


def test_passthrough_is_a_view():
    message = BRIDGE.cv2_to_imgmsg(picture("uint8", 3), "rgb8")
    view = BRIDGE.imgmsg_to_cv2(message)
    message.data[0] = 201
    assert view[0, 0, 0] == 201


def test_a_sliced_and_a_big_endian_array_are_written_right():
    image = picture("uint16", 1, 8, 12)[::2, ::2]
    for array in (image, image.astype(">u2")):
        message = BRIDGE.cv2_to_imgmsg(array, "16UC1")
        assert message.step == 12
        np.testing.assert_array_equal(BRIDGE.imgmsg_to_cv2(message), image)


def test_passthrough_names_the_type():
    assert BRIDGE.cv2_to_imgmsg(picture("uint8", 3)).encoding == "8UC3"
    assert BRIDGE.cv2_to_imgmsg(picture("float32", 1)).encoding == "32FC1"


def test_colours_keep_their_places():
    red = np.zeros((2, 2, 3), np.uint8)
    red[:] = (255, 0, 0)
    message = BRIDGE.cv2_to_imgmsg(red, "rgb8")
    assert BRIDGE.imgmsg_to_cv2(message, "bgr8")[0, 0].tolist() == [0, 0, 255]
    assert BRIDGE.imgmsg_to_cv2(message, "rgba8")[0, 0].tolist() == [255, 0, 0, 255]
    assert BRIDGE.imgmsg_to_cv2(message, "bgra8")[0, 0].tolist() == [0, 0, 255, 255]
    assert BRIDGE.imgmsg_to_cv2(message, "mono8")[0, 0] == 76  # 0.299 * 255
    assert BRIDGE.imgmsg_to_cv2(message, "rgb16")[0, 0].tolist() == [65535, 0, 0]


def test_sixteen_bits_to_eight_are_scaled_and_plain_floats_are_not():
    message = BRIDGE.cv2_to_imgmsg(np.array([[0, 257, 65535]], np.uint16), "mono16")
    assert BRIDGE.imgmsg_to_cv2(message, "mono8").tolist() == [[0, 1, 255]]
    message = BRIDGE.cv2_to_imgmsg(np.array([[1.6, -3.0, 1e9]], np.float32), "32FC1")
    assert BRIDGE.imgmsg_to_cv2(message, "16UC1").tolist() == [[2, 0, 65535]]


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("wanted", ["bgr8", "rgb8", "bgra8", "rgba8", "mono8"])
def test_bayer_of_one_colour_is_that_colour(pattern, wanted):
    values = {"r": 200, "g": 100, "b": 50}
    mosaic = np.zeros((8, 8), np.uint8)
    for place, letter in enumerate(pattern):
        mosaic[place // 2 :: 2, place % 2 :: 2] = values[letter]
    image = BRIDGE.imgmsg_to_cv2(BRIDGE.cv2_to_imgmsg(mosaic, f"bayer_{pattern}8"), wanted)
    centre = np.atleast_1d(image[4, 4]).tolist()
    if wanted == "mono8":
        assert centre[0] == pytest.approx(0.299 * 200 + 0.587 * 100 + 0.114 * 50, abs=2)
    else:
        expected = {**values, "a": 255}
        assert centre == [expected[letter] for letter in wanted.removesuffix("8")]


@pytest.mark.parametrize(
    ("encoding", "order"), [("yuv422", "uyvy"), ("uyvy", "uyvy"), ("yuv422_yuy2", "yuyv")]
)
def test_yuv_grey(encoding, order):
    pair = {"uyvy": (128, 180), "yuyv": (180, 128)}[order]
    message = BRIDGE.cv2_to_imgmsg(np.full((4, 4, 2), pair, np.uint8), encoding)
    assert np.ptp(BRIDGE.imgmsg_to_cv2(message, "bgr8")) <= 1
    assert BRIDGE.imgmsg_to_cv2(message, "mono8")[0, 0] == 180


@pytest.mark.parametrize(("suffix", "limit"), [("png", 0), ("jpg", 12)])
def test_compressed_both_ways(suffix, limit):
    image = cv2.GaussianBlur(picture("uint8", 3, 48, 64), (9, 9), 3)
    message = BRIDGE.cv2_to_compressed_imgmsg(image, suffix)
    assert isinstance(message, CompressedImage) and message.format == suffix
    for wanted in ("passthrough", "bgr8"):
        back = BRIDGE.compressed_imgmsg_to_cv2(message, wanted)
        assert np.abs(back.astype(int) - image).max() <= limit
    swapped = BRIDGE.compressed_imgmsg_to_cv2(message, "rgb8")
    np.testing.assert_array_equal(swapped[..., ::-1], back)


def test_compressed_depth_keeps_its_bits():
    depth = picture("uint16", 1) * 300
    message = BRIDGE.cv2_to_compressed_imgmsg(depth, "png")
    np.testing.assert_array_equal(BRIDGE.compressed_imgmsg_to_cv2(message), depth)


def refused(change, wanted="passthrough"):
    message = BRIDGE.cv2_to_imgmsg(picture("uint8", 3), "rgb8")
    change(message)
    with pytest.raises(CvBridgeError) as error:
        BRIDGE.imgmsg_to_cv2(message, wanted)
    return str(error.value)


def test_refusals_say_what_is_wrong():
    assert "[nonsense]" in refused(lambda m: setattr(m, "encoding", "nonsense"))
    assert "step is 5" in refused(lambda m: setattr(m, "step", 5))
    assert "needs rows of at least 18 bytes" in refused(lambda m: setattr(m, "data", b"12"))
    assert "not a color format" in refused(lambda m: setattr(m, "encoding", "8UC3"), "bgr8")
    assert "[blue]" in refused(lambda m: None, "blue")
    assert "bayer_rggb8" in refused(lambda m: None, "bayer_rggb8")


def test_arrays_that_are_no_such_image():
    with pytest.raises(CvBridgeError, match="incompatible type 8UC1"):
        BRIDGE.cv2_to_imgmsg(picture("uint8", 1), "bgr8")
    with pytest.raises(TypeError, match="not a numpy array"):
        BRIDGE.cv2_to_imgmsg([[1, 2]])
    with pytest.raises(CvBridgeError, match="are no image"):
        BRIDGE.cv2_to_imgmsg(np.zeros((2, 2), np.uint64))


@pytest.mark.parametrize("data", [b"", b"not a jpeg"])
def test_broken_compressed_image(data):
    with pytest.raises(CvBridgeError, match="no image that can be"):
        BRIDGE.compressed_imgmsg_to_cv2(CompressedImage(format="jpeg", data=data))


def test_empty_image():
    message = Image(height=0, width=0, encoding="rgb8")
    assert BRIDGE.imgmsg_to_cv2(message).shape == (0, 0, 3)
