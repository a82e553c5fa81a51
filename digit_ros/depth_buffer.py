# SPDX-License-Identifier: Apache-2.0
"""The last depth images of one camera, found by stamp; one that is on its way is waited for."""

import threading
import time
from collections import deque
from collections.abc import Callable

from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image

_KEPT = 8
#: A camera whose depth images stopped for so long is not waited for.
_ALIVE_S = 0.5


class DepthBuffer:
    """Filled by a subscription, asked by the worker thread."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        """Nothing has arrived; `clock_s` is any monotonic clock."""
        self._condition = threading.Condition()
        self._messages: deque[tuple[int, Image]] = deque(maxlen=_KEPT)
        self._clock_s, self._arrived_s = clock_s, float("-inf")

    def put(self, message: Image) -> None:
        """Keep a depth image."""
        with self._condition:
            self._messages.append((_nanoseconds(message.header.stamp), message))
            self._arrived_s = self._clock_s()
            self._condition.notify_all()

    def nearest(self, stamp: Time, tolerance_s: float, wait_s: float) -> Image | None:
        """The depth image whose stamp is nearest, within `tolerance_s`; None where none is.

        Args:
            stamp: builtin_interfaces/Time of the image.
            tolerance_s: most difference of stamps.
            wait_s: how long to wait for one that has not arrived, if others arrive at all.
        """
        wanted = _nanoseconds(stamp)
        with self._condition:
            if self._clock_s() - self._arrived_s < _ALIVE_S:
                # One that is newer than wanted is the last that can still come nearer.
                self._condition.wait_for(
                    lambda: self._newest() >= wanted - 1e9 * tolerance_s, timeout=wait_s
                )
            if not self._messages:
                return None
            at, message = min(self._messages, key=lambda one: abs(one[0] - wanted))
            return message if abs(at - wanted) <= 1e9 * tolerance_s else None

    def _newest(self) -> int:
        return self._messages[-1][0]


def _nanoseconds(stamp: Time) -> int:
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
