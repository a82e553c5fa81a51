# SPDX-License-Identifier: Apache-2.0
"""DIGIT: both hands of a person, in 2D and 3D with part labels, from one colour image.

>>> import numpy as np
>>> from digit_core import Camera, DigitEstimator
>>> estimator = DigitEstimator.load()
>>> image = np.zeros((480, 640, 3), np.uint8)  # RGB; a black one shows no hands
>>> estimator(image, Camera.from_hfov(60, 640, 480))
TwoHands(none)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from digit_core.opencv_library import explained

if TYPE_CHECKING:
    from digit_core.camera import Camera
    from digit_core.draw import draw_hands
    from digit_core.estimator import DigitEstimator
    from digit_core.hands import DepthSource, Hand, Intrinsics, TwoHands
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

#: Where each name is. Imported on first use: torch takes seconds, and OpenCV may lack a library.
_MODULES = {
    "Camera": "digit_core.camera",
    "CheckpointError": "digit_core.network.checkpoint",
    "DepthSource": "digit_core.hands",
    "DigitEstimator": "digit_core.estimator",
    "Hand": "digit_core.hands",
    "Intrinsics": "digit_core.hands",
    "ImageRequest": "digit_core.request",
    "Settings": "digit_core.settings",
    "TrackState": "digit_core.track_state",
    "Tracker": "digit_core.tracker",
    "TwoHands": "digit_core.hands",
    "draw_hands": "digit_core.draw",
    "load_model": "digit_core.weights",
}


def __getattr__(name: str) -> Any:
    """Import the names of `_MODULES` on first use."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with explained():
        return getattr(import_module(_MODULES[name]), name)
