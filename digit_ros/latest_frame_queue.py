# SPDX-License-Identifier: Apache-2.0
"""Only the newest frame of each stream waits; older ones that nobody took are dropped."""

import threading
import time
from dataclasses import dataclass

from sensor_msgs.msg import CompressedImage, Image

#: The worker is awake within it.
_GIVE_WAY_S = 0.0002


@dataclass(frozen=True, eq=False)
class ImageArrived:
    """An image of a stream.

    Attributes:
        message: the image.
        received_s: when it came, monotonic seconds.
    """

    message: Image | CompressedImage
    received_s: float


@dataclass(frozen=True)
class Silence:
    """No image of a stream has come for the parameter `timeout_s`."""


QueueItem = ImageArrived | Silence


class LatestFrameQueue:
    """One place for each stream, filled by subscriptions and emptied by one worker thread."""

    def __init__(self, *, give_way: bool = False) -> None:
        """Nothing waits yet.

        Args:
            give_way: who fills a place lets the worker begin at once. rclpy would hold the
                interpreter until it has built its next wait set, as long as half a millisecond.
                Not where several streams' frames come together: each would be a batch of its own.
        """
        self._give_way = give_way
        self._condition = threading.Condition()
        self._waiting: dict[str, QueueItem] = {}
        self._closed = False

    def put(self, stream: str, item: QueueItem) -> bool:
        """Leave `item` as the newest of `stream`; True if an older image was dropped for it."""
        with self._condition:
            dropped = isinstance(self._waiting.get(stream), ImageArrived)
            self._waiting[stream] = item
            self._condition.notify()
        if self._give_way:
            time.sleep(_GIVE_WAY_S)
        return dropped

    def put_if_empty(self, stream: str, item: QueueItem) -> bool:
        """Leave `item` unless one of `stream` waits already; True if it was left."""
        with self._condition:
            if stream in self._waiting:
                return False
            self._waiting[stream] = item
            self._condition.notify()
            return True

    def take(self) -> dict[str, QueueItem] | None:
        """Wait for items and take all that wait, by stream; None once the queue is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            items, self._waiting = self._waiting, {}
            return items

    def close(self) -> None:
        """Wake the worker with None; items that still wait are forgotten."""
        with self._condition:
            self._closed = True
            self._waiting = {}
            self._condition.notify_all()
