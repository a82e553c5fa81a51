# SPDX-License-Identifier: Apache-2.0
"""Only the newest frame of each stream waits; older ones that nobody took are dropped."""

import threading
import time
from typing import Any

#: The worker is awake within it.
_GIVE_WAY_S = 0.0002


class Inbox:
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
        self._waiting: dict[str, Any] = {}
        self._closed = False

    def put(self, stream: str, frame: Any) -> bool:
        """Leave `frame` as the newest of `stream`; True if an older one was dropped for it."""
        with self._condition:
            dropped = stream in self._waiting
            self._waiting[stream] = frame
            self._condition.notify()
        if self._give_way:
            time.sleep(_GIVE_WAY_S)
        return dropped

    def put_if_empty(self, stream: str, frame: Any) -> bool:
        """Leave `frame` unless one of `stream` waits already; True if it was left."""
        with self._condition:
            if stream in self._waiting:
                return False
            self._waiting[stream] = frame
            self._condition.notify()
            return True

    def take(self) -> dict[str, Any] | None:
        """Wait for frames and take all that wait, by stream; None once the inbox is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            frames, self._waiting = self._waiting, {}
            return frames

    def close(self) -> None:
        """Wake the worker with None; frames that still wait are forgotten."""
        with self._condition:
            self._closed = True
            self._waiting = {}
            self._condition.notify_all()
