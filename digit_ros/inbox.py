# SPDX-License-Identifier: Apache-2.0
"""Only the newest frame of each stream waits; older ones that nobody took are dropped."""

import threading
from typing import Any


class Inbox:
    """One place for each stream, filled by subscriptions and emptied by one worker thread."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: dict[str, Any] = {}
        self._closed = False

    def put(self, stream: str, frame: Any) -> bool:
        """Leave `frame` as the newest of `stream`; True if an older one was dropped for it."""
        with self._condition:
            dropped = stream in self._waiting
            self._waiting[stream] = frame
            self._condition.notify()
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
