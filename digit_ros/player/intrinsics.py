# SPDX-License-Identifier: Apache-2.0
"""The player's camera_info: from a file beside the pictures, or from a field of view."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sensor_msgs.msg import CameraInfo

from digit_core.printable import printable

_MOST = 1e9  # pixels; nothing of a camera is as large
_NEEDED = ("fx", "fy", "cx", "cy", "width", "height")


class BadIntrinsics(ValueError):
    """A file of intrinsics that cannot be used; its text names the file and the field."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))


def sidecar(path: Path | None) -> Path | None:
    """The file of intrinsics for a picture or video: same name, .json; or its folder's; or None."""
    if path is None:
        return None
    candidates = (path.with_suffix(".json"), path.parent / "camera.json")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def from_sidecar(path: Path, width: int, height: int) -> CameraInfo:
    """Read {"fx", "fy", "cx", "cy", "width", "height", optional "distortion"}, all in pixels.

    Args:
        path: the JSON file. "distortion" are plumb_bob's k1, k2, p1, p2, k3.
        width, height: of the picture that it belongs to, pixels.

    Raises:
        BadIntrinsics: no JSON, a field is missing or no number, or the size is another one.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise BadIntrinsics(f"{path} is no JSON file: {error}") from error
    for name in _NEEDED:
        if not isinstance(values, dict) or not _is_number(values.get(name)):
            raise BadIntrinsics(f"{path}: expected a number for {name!r}, and {_NEEDED} in all")
    if (values["width"], values["height"]) != (width, height):
        size = f"{values['width']}x{values['height']}"
        raise BadIntrinsics(f"{path} is for pictures of {size}, this one has {width}x{height}")
    if values["fx"] <= 0 or values["fy"] <= 0:
        raise BadIntrinsics(f"{path}: fx and fy must be positive")
    distortion = values.get("distortion", [])
    if not isinstance(distortion, list) or not all(map(_is_number, distortion)):
        raise BadIntrinsics(f"{path}: 'distortion' must be a list of numbers")
    if len(distortion) not in (0, 4, 5):
        raise BadIntrinsics(f"{path}: 'distortion' has {len(distortion)} numbers, not 0, 4 or 5")
    fx, fy, cx, cy = (values[name] for name in ("fx", "fy", "cx", "cy"))
    return camera_info(width, height, fx, fy, cx, cy, distortion)


def from_hfov(hfov_deg: float, width: int, height: int) -> CameraInfo:
    """Square pixels, centre in the middle, and a horizontal field of view in degrees."""
    focal = width / 2 / math.tan(math.radians(hfov_deg) / 2)
    return camera_info(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)


def unknown(width: int, height: int) -> CameraInfo:
    """A CameraInfo of a camera that was never calibrated: K is zero, as ROS agrees on."""
    return CameraInfo(width=width, height=height)


def camera_info(
    width: int,
    height: int,
    fx: float,
    fy: float,
    cx: float,
    cy: float,
    distortion: Sequence[float] = (),
) -> CameraInfo:
    """A CameraInfo without header; all in pixels, (0, 0) the first pixel's centre."""
    info = CameraInfo(width=width, height=height, distortion_model="plumb_bob")
    info.d = [float(value) for value in distortion] or [0.0] * 5
    fx, fy, cx, cy = float(fx), float(fy), float(cx), float(cy)
    info.k = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def _is_number(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and bool(-_MOST < value < _MOST)  # NaN is not
