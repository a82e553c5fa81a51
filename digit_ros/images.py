# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs images to RGB arrays and back, without a copy where numpy can avoid one."""

from array import array
from dataclasses import dataclass

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
    """How an encoding lies in memory: `cv_code` turns it into RGB, None where it is RGB already."""

    channels: int
    dtype: type
    cv_code: int | None


# Bayer names differ: ROS reads from the first row's first pixel, OpenCV from the second's second.
_ENCODINGS = {
    "rgb8": _Encoding(3, np.uint8, None),
    "bgr8": _Encoding(3, np.uint8, cv2.COLOR_BGR2RGB),
    "8UC3": _Encoding(3, np.uint8, cv2.COLOR_BGR2RGB),
    "rgba8": _Encoding(4, np.uint8, cv2.COLOR_RGBA2RGB),
    "bgra8": _Encoding(4, np.uint8, cv2.COLOR_BGRA2RGB),
    "8UC4": _Encoding(4, np.uint8, cv2.COLOR_BGRA2RGB),
    "mono8": _Encoding(1, np.uint8, cv2.COLOR_GRAY2RGB),
    "8UC1": _Encoding(1, np.uint8, cv2.COLOR_GRAY2RGB),
    "mono16": _Encoding(1, np.uint16, cv2.COLOR_GRAY2RGB),
    "rgb16": _Encoding(3, np.uint16, None),
    "bgr16": _Encoding(3, np.uint16, cv2.COLOR_BGR2RGB),
    "yuv422": _Encoding(2, np.uint8, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": _Encoding(2, np.uint8, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": _Encoding(2, np.uint8, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": _Encoding(2, np.uint8, cv2.COLOR_YUV2RGB_YUY2),
    "bayer_rggb8": _Encoding(1, np.uint8, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": _Encoding(1, np.uint8, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": _Encoding(1, np.uint8, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": _Encoding(1, np.uint8, cv2.COLOR_BayerGB2RGB),
}

#: Decode to RGB at once; OpenCV before 4.11 cannot.
_TO_RGB: int = getattr(cv2, "IMREAD_COLOR_RGB", 0)

#: Encodings of depth images with metres of one unit (REP 118).
_DEPTH_ENCODINGS = {
    "16UC1": (_Encoding(1, np.uint16, None), 0.001),
    "32FC1": (_Encoding(1, np.float32, None), 1.0),
}


def rgb_from_image(message: Image) -> np.ndarray:
    """The picture of an Image message.

    Args:
        message: sensor_msgs/Image of any encoding named here, any row padding and byte order.

    Returns:
        (H, W, 3) uint8 RGB. An rgb8 image is a view of the message's own bytes.

    Raises:
        BadImage: unknown encoding, zero size, or a step or data length that does not fit.
    """
    encoding = _ENCODINGS.get(message.encoding)
    if encoding is None:
        raise BadImage(
            f"encoding '{message.encoding}' is not known; expected one of {', '.join(_ENCODINGS)}"
        )
    _check_layout(message, encoding)
    pixels = _pixels(message, encoding)
    if pixels.dtype.itemsize == 2:
        pixels = (pixels >> 8).astype(np.uint8)
    if encoding.cv_code is None:
        return pixels
    try:
        return cv2.cvtColor(pixels, encoding.cv_code)
    except cv2.error as error:
        size = f"{message.width}x{message.height}"
        raise BadImage(
            f"an image of {size} cannot be converted from {message.encoding} to RGB"
        ) from error


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
        picture: (H, W) or (H, W, C) uint8.
        encoding: "mono8" or "rgb8", as `picture` has it.
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
