# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs images to RGB arrays and back, without a copy where NumPy can avoid one.

8-bit RGB and BGR are views of the message. cv_bridge converts every other encoding. It is imported
when the first such image arrives, because Jazzy's is compiled for NumPy 1 and does not import under
NumPy 2.
"""

import sys
from array import array
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from digit_core.depth_image import DepthImage
from digit_core.picture import decode_picture


class BadImage(ValueError):
    """An image message that cannot be read; its text is one sentence that says what is wrong."""


@dataclass(frozen=True)
class _Encoding:
    """How an encoding lies in memory, and under which name cv_bridge converts it to rgb8."""

    channels: int
    dtype: type
    cv_bridge: str = ""


_ENCODINGS = {
    "rgb8": _Encoding(3, np.uint8),
    "bgr8": _Encoding(3, np.uint8),
    "8UC3": _Encoding(3, np.uint8),
    **{name: _Encoding(4, np.uint8, name) for name in ("rgba8", "bgra8")},
    **{name: _Encoding(3, np.uint16, name) for name in ("rgb16", "bgr16")},
    **{name: _Encoding(4, np.uint16, name) for name in ("rgba16", "bgra16")},
    "mono8": _Encoding(1, np.uint8, "mono8"),
    "mono16": _Encoding(1, np.uint16, "mono16"),
    # cv_bridge refuses to give colours to encodings without a colour model.
    "8UC1": _Encoding(1, np.uint8, "mono8"),
    "8UC4": _Encoding(4, np.uint8, "bgra8"),
    # Each layout has two names; older releases of cv_bridge know one of them.
    "yuv422": _Encoding(2, np.uint8, "yuv422"),
    "uyvy": _Encoding(2, np.uint8, "yuv422"),
    "yuv422_yuy2": _Encoding(2, np.uint8, "yuv422_yuy2"),
    "yuyv": _Encoding(2, np.uint8, "yuv422_yuy2"),
    **{
        f"bayer_{order}{bits}": _Encoding(1, dtype, f"bayer_{order}{bits}")
        for order in ("rggb", "bggr", "gbrg", "grbg")
        for bits, dtype in ((8, np.uint8), (16, np.uint16))
    },
}

#: Decode to RGB at once; OpenCV before 4.11 cannot.
_TO_RGB: int = getattr(cv2, "IMREAD_COLOR_RGB", 0)

#: Encodings of depth images, and the metres of one unit (REP 118).
_DEPTH_ENCODINGS = {
    "16UC1": (_Encoding(1, np.uint16), 0.001),
    "32FC1": (_Encoding(1, np.float32), 1.0),
}


def rgb_from_image(message: Image) -> np.ndarray:
    """The picture of an Image message.

    Args:
        message: sensor_msgs/Image of any encoding named here, any row padding and byte order.

    Returns:
        (H, W, 3) uint8 RGB. An rgb8 image is a view of the message's own bytes.

    Raises:
        BadImage: unsupported encoding, zero size, or a step or data length that does not fit.
    """
    encoding = _ENCODINGS.get(message.encoding)
    if encoding is None:
        raise BadImage(
            f"encoding '{message.encoding}' is not known; expected one of {', '.join(_ENCODINGS)}"
        )
    _check_layout(message, encoding)
    pixels = _pixels(message, encoding)
    if encoding.cv_bridge:
        return _converted(message, pixels, encoding.cv_bridge)
    return pixels if message.encoding == "rgb8" else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def rgb_from_compressed(message: CompressedImage) -> np.ndarray:
    """The picture of a CompressedImage message, (H, W, 3) uint8 RGB.

    An orientation in the file's own header is ignored: CameraInfo describes the stored pixels.

    Raises:
        BadImage: the data is empty or no picture that OpenCV can decode.
    """
    data = np.frombuffer(message.data, np.uint8)
    picture = decode_picture(data, (_TO_RGB or cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION)
    if picture is None:
        raise BadImage(
            f"{data.size} bytes of format '{message.format}' cannot be decoded;"
            " expected a JPEG or PNG picture"
        )
    return picture if _TO_RGB else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def depth_from_image(message: Image) -> DepthImage:
    """The depths of an Image message, a view of its own bytes where the byte order allows.

    Args:
        message: 16UC1 in millimetres or 32FC1 in metres.

    Raises:
        BadImage: another encoding, zero size, or a step or data length that does not fit.
    """
    known = _DEPTH_ENCODINGS.get(message.encoding)
    if known is None:
        raise BadImage(
            f"encoding '{message.encoding}' is no depth; expected 16UC1 (mm) or 32FC1 (m)"
        )
    encoding, unit_m = known
    _check_layout(message, encoding)
    return DepthImage(_pixels(message, encoding), unit_m)


def image_from_array(picture: np.ndarray, encoding: str, header: Header) -> Image:
    """An Image message of a picture.

    Args:
        picture: (H, W) or (H, W, C), uint8 or uint16.
        encoding: as `picture` has it: "mono8", "rgb8", ...
        header: std_msgs/Header, used as it is.
    """
    height, width = picture.shape[:2]
    # A buffer copied whole; assigning a list or bytes would make rclpy look at every byte.
    data = array("B")
    data.frombytes(np.ascontiguousarray(picture).data.cast("B"))
    message = Image(header=header, height=height, width=width, encoding=encoding)
    message.step = len(data) // height
    message.data = data
    return message


def _converted(message: Image, pixels: np.ndarray, name: str) -> np.ndarray:
    """(H, W, 3) uint8 RGB of `pixels`, which cv_bridge calls `name`.

    It gets rows without padding in this machine's byte order: its releases differ in what else
    they read.
    """
    rows = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))
    plain = image_from_array(rows, name, message.header)
    plain.is_bigendian = int(sys.byteorder == "big")
    bridge = _bridge(message.encoding)
    try:
        picture: np.ndarray = bridge.imgmsg_to_cv2(plain, "rgb8")
    except (TypeError, RuntimeError, cv2.error) as error:  # CvBridgeError is a TypeError
        size = f"{message.width}x{message.height}"
        raise BadImage(
            f"an image of {size} cannot be converted from {message.encoding} to RGB"
        ) from error
    return picture


def _bridge(encoding: str) -> Any:
    """A CvBridge.

    Raises:
        BadImage: cv_bridge cannot be imported.
    """
    try:
        return _imported_bridge()
    except (ImportError, AttributeError) as error:  # the second from NumPy's missing C interface
        raise BadImage(
            f"encoding '{encoding}' needs cv_bridge, which cannot be imported ({error}); install"
            ' it, and on Jazzy "numpy<2"'
        ) from error


@lru_cache(maxsize=1)
def _imported_bridge() -> Any:
    from cv_bridge import CvBridge

    return CvBridge()


def _check_layout(message: Image, encoding: _Encoding) -> None:
    width, height, step = message.width, message.height, message.step
    if width == 0 or height == 0:
        raise BadImage(f"size {width}x{height} has no pixels; expected at least 1x1")
    row = width * encoding.channels * np.dtype(encoding.dtype).itemsize
    if step < row:
        raise BadImage(
            f"step {step} does not fit; expected at least {row} bytes"
            f" for {width} {message.encoding} pixels"
        )
    # The last row may end without its padding.
    needed = step * (height - 1) + row
    if len(message.data) < needed:
        raise BadImage(
            f"data of {len(message.data)} bytes does not fit;"
            f" expected {needed} for {height} rows of step {step}"
        )


def _pixels(message: Image, encoding: _Encoding) -> np.ndarray:
    """(H, W) or (H, W, C) view of the message's bytes in the machine's byte order."""
    dtype = np.dtype(encoding.dtype).newbyteorder(">" if message.is_bigendian else "<")
    shape = (message.height, message.width, encoding.channels)
    strides = (message.step, encoding.channels * dtype.itemsize, dtype.itemsize)
    pixels = np.ndarray(shape, dtype, buffer=message.data, strides=strides)
    return pixels[:, :, 0] if encoding.channels == 1 else pixels
