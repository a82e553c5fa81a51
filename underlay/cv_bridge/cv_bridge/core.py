# SPDX-License-Identifier: Apache-2.0
"""`CvBridge`: sensor_msgs/Image and CompressedImage to and from OpenCV's arrays."""

import sys

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from cv_bridge import encodings


class CvBridgeError(TypeError):
    """An image that cannot be converted, and why."""


class CvBridge:
    """Converts images; holds nothing."""

    def imgmsg_to_cv2(self, img_msg, desired_encoding="passthrough"):
        """The image as an array (H, W) or (H, W, C); a view of the message where nothing changes.

        Args:
            img_msg: sensor_msgs/Image.
            desired_encoding: "passthrough" keeps the message's; else as "bgr8", "mono16", "32FC1".
        """
        encoding = _parse(img_msg.encoding)
        image = _rows(img_msg, np.dtype(encoding.dtype), encoding.channels)
        if bool(img_msg.is_bigendian) != (sys.byteorder == "big") and image.dtype.itemsize > 1:
            image = image.byteswap()
        if desired_encoding == "passthrough":
            return image
        return _convert(image, img_msg.encoding, desired_encoding)

    def cv2_to_imgmsg(self, cvim, encoding="passthrough", header=None):
        """A sensor_msgs/Image of an array; "passthrough" names it by its type, as 8UC3."""
        if not isinstance(cvim, np.ndarray):
            raise TypeError("Your input type is not a numpy array")
        native = cvim.astype(cvim.dtype.newbyteorder("="), copy=False)
        cv_type = self.dtype_with_channels_to_cvtype2(
            native.dtype, 1 if cvim.ndim < 3 else cvim.shape[2]
        )
        if encoding == "passthrough":
            encoding = cv_type
        elif _parse(encoding).cv_type != cv_type:
            raise CvBridgeError(
                f"encoding specified as {encoding}, but image has incompatible type {cv_type}"
            )
        message = Image(height=cvim.shape[0], width=cvim.shape[1], encoding=encoding)
        if header is not None:
            message.header = header
        message.is_bigendian = sys.byteorder == "big"
        message.step = native.itemsize * int(np.prod(cvim.shape[1:]))
        message.data.frombytes(native.tobytes())
        return message

    def compressed_imgmsg_to_cv2(self, cmprs_img_msg, desired_encoding="passthrough"):
        """The decoded image; "passthrough" keeps the file's channels, else converts from bgr8."""
        keep = desired_encoding == "passthrough"
        buffer = np.frombuffer(cmprs_img_msg.data, np.uint8)
        flag = cv2.IMREAD_UNCHANGED if keep else cv2.IMREAD_COLOR
        image = cv2.imdecode(buffer, flag) if buffer.size else None
        if image is None:
            raise CvBridgeError(
                f"{buffer.size} bytes of format {cmprs_img_msg.format!r} are no image that can be "
                "decoded"
            )
        return image if keep else _convert(image, "bgr8", desired_encoding)

    def cv2_to_compressed_imgmsg(self, cvim, dst_format="jpg"):
        """A sensor_msgs/CompressedImage of an array, encoded as `dst_format` (jpg, png, ...)."""
        if not isinstance(cvim, np.ndarray):
            raise TypeError("Your input type is not a numpy array")
        try:
            done, buffer = cv2.imencode(f".{dst_format}", cvim)
        except cv2.error as error:
            raise CvBridgeError(f"{dst_format!r} cannot be encoded: {error}") from error
        if not done:
            raise CvBridgeError(f"{dst_format!r} cannot be encoded")
        message = CompressedImage(format=dst_format)
        message.data.frombytes(buffer.tobytes())
        return message

    def encoding_to_dtype_with_channels(self, encoding):
        """NumPy's type name of one channel and the number of channels, as ("uint8", 3)."""
        parsed = _parse(encoding)
        return parsed.dtype, parsed.channels

    def dtype_with_channels_to_cvtype2(self, dtype, n_channels):
        """OpenCV's type name, as "8UC3"."""
        for name, numpy_name in encodings.DTYPES.items():
            if np.dtype(dtype) == np.dtype(numpy_name):
                return f"{name}C{n_channels}"
        raise CvBridgeError(f"arrays of {dtype} are no image")


def _rows(message, dtype, channels):
    """The message's pixels without the padding at each row's end; a view of its data."""
    row = message.width * channels * dtype.itemsize
    size = message.step * message.height
    if message.step < row or len(message.data) < size:
        raise CvBridgeError(
            f"an image {message.width}x{message.height} {message.encoding} needs rows of at least "
            f"{row} bytes and {size} bytes of data; its step is {message.step}, its data has "
            f"{len(message.data)} bytes"
        )
    data = np.frombuffer(message.data, np.uint8, count=size).reshape(message.height, message.step)
    pixels = data[:, :row].view(dtype) if row else np.zeros((message.height, 0), dtype)
    return pixels if channels == 1 else pixels.reshape(message.height, message.width, channels)


def _parse(name):
    try:
        return encodings.parse(name)
    except ValueError as error:
        raise CvBridgeError(str(error)) from error


def _convert(image, source, target):
    try:
        return encodings.convert(image, source, target)
    except (ValueError, cv2.error) as error:
        raise CvBridgeError(str(error)) from error
