# SPDX-License-Identifier: Apache-2.0
"""Boxes about hands from a detector of the user's own, one RegionOfInterest each."""

import threading
import time
from collections.abc import Callable

import numpy as np
from sensor_msgs.msg import RegionOfInterest

from digit_core import boxes

#: A box counts for so long: it has no stamp.
_FRESH_S = 0.5
#: A box that overlaps an older one so much is the same hand, seen later.
_SAME_IOU = 0.3
_MOST = 8


class ExternalBoxes:
    """Filled by a subscription, asked by the worker thread."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        """Nothing has arrived; `clock_s` is any monotonic clock."""
        self._lock, self._clock_s = threading.Lock(), clock_s
        self._boxes: list[tuple[float, np.ndarray]] = []

    def put(self, region: RegionOfInterest) -> None:
        """Keep a box; one without extent says that there is no hand, and empties the memory."""
        box = np.array([region.x_offset, region.y_offset, region.width, region.height], float)
        with self._lock:
            if not (region.width and region.height):
                self._boxes = []
                return
            others = [(at, b) for at, b in self._boxes if boxes.iou(b, box) < _SAME_IOU]
            self._boxes = [*others[1 - _MOST :], (self._clock_s(), box)]

    def now(self) -> list[np.ndarray]:
        """(4,) each x, y, width, height, pixels, newest first."""
        with self._lock:
            now_s = self._clock_s()
            self._boxes = [(at, box) for at, box in self._boxes if now_s - at < _FRESH_S]
            return [box for _, box in reversed(self._boxes)]
