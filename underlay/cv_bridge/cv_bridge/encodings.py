# SPDX-License-Identifier: Apache-2.0
"""The pixel encodings of sensor_msgs/Image: their array types, and conversion between them."""

import re
from dataclasses import dataclass

import cv2
import numpy as np

#: Types named as OpenCV names them: bits and kind to NumPy.
DTYPES = {
    "8U": "uint8",
    "8S": "int8",
    "16U": "uint16",
    "16S": "int16",
    "32S": "int32",
    "32F": "float32",
    "64F": "float64",
}
_CV_NAMES = {dtype: name for name, dtype in DTYPES.items()}

#: What a name like bgr16 says before its bits: the pixel family and its channels.
_COLOURS = {"mono": 1, "rgb": 3, "bgr": 3, "rgba": 4, "bgra": 4}
_BAYER = ("bayer_rggb", "bayer_bggr", "bayer_gbrg", "bayer_grbg")
#: Two names each for the two orders of 4:2:2 video, one channel pair of 8 bits a pixel.
_YUV = {"yuv422": "uyvy", "uyvy": "uyvy", "yuv422_yuy2": "yuyv", "yuyv": "yuyv"}

#: OpenCV names a Bayer pattern from the second pixel of the second row, ROS from the first pixel.
_BAYER_IN_OPENCV = {
    "bayer_rggb": "BayerBG",
    "bayer_bggr": "BayerRG",
    "bayer_gbrg": "BayerGR",
    "bayer_grbg": "BayerGB",
}
_IN_OPENCV = {"mono": "GRAY", "rgb": "RGB", "bgr": "BGR", "rgba": "RGBA", "bgra": "BGRA"}
_IN_OPENCV.update({"uyvy": "YUV2{}_UYVY", "yuyv": "YUV2{}_YUY2"})


@dataclass(frozen=True)
class Encoding:
    """What an encoding's name says.

    Attributes:
        name: as in the message.
        dtype: NumPy's name of one channel's type.
        channels: values a pixel.
        family: mono, rgb, bgr, rgba, bgra, bayer_*, uyvy, yuyv, or None for a plain type as 16UC1.
    """

    name: str
    dtype: str
    channels: int
    family: "str | None"

    @property
    def cv_type(self):
        """OpenCV's name of the array type, as 8UC3."""
        return f"{_CV_NAMES[self.dtype]}C{self.channels}"


def parse(name):
    """Read an encoding's name; ValueError for one that image_encodings does not know."""
    if name in _YUV:
        return Encoding(name, "uint8", 2, _YUV[name])
    plain = re.fullmatch(r"(8U|8S|16U|16S|32S|32F|64F)C?([1-9]\d*)?", name)
    if plain and "C" in name:
        return Encoding(name, DTYPES[plain.group(1)], int(plain.group(2) or 1), None)
    colour = re.fullmatch(r"([a-z_]+)(8|16)", name)
    if colour:
        family, dtype = colour.group(1), f"uint{colour.group(2)}"
        if family in _BAYER:
            return Encoding(name, dtype, 1, family)
        if family in _COLOURS:
            return Encoding(name, dtype, _COLOURS[family], family)
    raise ValueError(f"Unrecognized image encoding [{name}]")


def convert(image, source_name, target_name):
    """Convert an image (H, W[, C]) to another encoding; ValueError where that makes no sense."""
    source, target = parse(source_name), parse(target_name)
    if source.name == target.name:
        return image
    _check_sensible(source, target)
    if source.family and target.family and source.family != target.family:
        image = _convert_colour(image, source, target)
    return _convert_depth(image, source.dtype, target.dtype)


def _check_sensible(source, target):
    if source.family is None and target.family is not None:
        raise ValueError(
            f"[{source.name}] is not a color format, but [{target.name}] is. "
            "The conversion does not make sense"
        )
    plain = source.family is None or target.family is None
    if plain and source.channels != target.channels:
        raise ValueError(f"[{source.name}] and [{target.name}] differ in their channels")


def _convert_colour(image, source, target):
    if target.family not in _COLOURS:
        raise ValueError(f"Unsupported conversion from [{source.name}] to [{target.name}]")
    wanted = _IN_OPENCV[target.family]
    if source.family in _BAYER:
        # OpenCV demosaics to three channels or one; a fourth is added after.
        name = f"COLOR_{_BAYER_IN_OPENCV[source.family]}2{wanted.removesuffix('A')}"
        image = cv2.cvtColor(image, getattr(cv2, name))
        return image if not wanted.endswith("A") else cv2.cvtColor(image, cv2.COLOR_BGR2BGRA)
    if source.family in ("uyvy", "yuyv"):
        name = "COLOR_" + _IN_OPENCV[source.family].format(wanted)
    else:
        name = f"COLOR_{_IN_OPENCV[source.family]}2{wanted}"
    return cv2.cvtColor(image, getattr(cv2, name))


def _convert_depth(image, source, target):
    """Change one channel's type; 8 and 16 bits are the same brightness, else numbers stay."""
    if source == target:
        return image
    scale = {("uint8", "uint16"): 65535 / 255, ("uint16", "uint8"): 255 / 65535}
    values = image.astype(np.float64) * scale.get((source, target), 1.0)
    if np.issubdtype(np.dtype(target), np.integer):
        limits = np.iinfo(target)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(target)
