# SPDX-License-Identifier: Apache-2.0
"""DIGIT: both hands of a person, in 2D and 3D with part labels, from one colour image.

Example:
    >>> from digit_core import Camera, DigitEstimator
    >>> estimator = DigitEstimator.load()
    >>> hands = estimator(image, Camera.from_hfov(60, 640, 480))
    >>> hands.right.joints_3d
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# OpenCV reads it once, when it is loaded. Its own limit lets a JPEG of 600 bytes whose header says
# 30,000 x 30,000 take 5 GB and a quarter of a minute.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "100000000")

from digit_core.camera import Camera  # noqa: E402
from digit_core.hands import DepthSource, Hand, Intrinsics, TwoHands  # noqa: E402

if TYPE_CHECKING:
    from digit_core.draw import draw_hands
    from digit_core.estimator import DigitEstimator
    from digit_core.network.checkpoint import CheckpointError
    from digit_core.request import ImageRequest
    from digit_core.settings import Settings
    from digit_core.track_state import TrackState
    from digit_core.tracker import Tracker
    from digit_core.weights import load_model

__all__ = [
    "Camera",
    "CheckpointError",
    "DepthSource",
    "DigitEstimator",
    "Hand",
    "ImageRequest",
    "Intrinsics",
    "Settings",
    "TrackState",
    "Tracker",
    "TwoHands",
    "draw_hands",
    "load_model",
]

#: Names that need torch, which takes seconds to import: only when asked for.
_LAZY = {
    "CheckpointError": "digit_core.network.checkpoint",
    "DigitEstimator": "digit_core.estimator",
    "ImageRequest": "digit_core.request",
    "Settings": "digit_core.settings",
    "TrackState": "digit_core.track_state",
    "Tracker": "digit_core.tracker",
    "draw_hands": "digit_core.draw",
    "load_model": "digit_core.weights",
}


def __getattr__(name: str) -> Any:
    """Import the names of `_LAZY` on first use."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
