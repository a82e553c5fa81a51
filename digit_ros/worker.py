# SPDX-License-Identifier: Apache-2.0
"""The thread that answers images, always the newest of each stream."""

import threading

import rclpy

from digit_ros.inbox import Inbox
from digit_ros.stream import Stream


class Worker:
    """Runs from `start` to `stop`; can be started again."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._inbox = Inbox()
        self._thread = threading.Thread()

    def start(self) -> None:
        """Open the stream and answer its images."""
        self._inbox = Inbox()
        self._thread = threading.Thread(target=self._run, args=(self._inbox,), daemon=True)
        self._thread.start()
        self._stream.open(self._inbox)

    def stop(self) -> None:
        """Finish the image at hand, then close the stream; nothing to do when not started."""
        if not self._thread.is_alive():
            return
        self._inbox.close()
        self._thread.join()
        self._stream.close()

    def _run(self, inbox: Inbox) -> None:
        while frames := inbox.take():
            for frame in frames.values():
                self._answer(frame)

    def _answer(self, frame) -> None:
        try:
            self._stream.process(frame)
        except Exception as error:  # One frame must not end the node.
            if not rclpy.ok():
                return
            lines = str(error).splitlines() or [""]
            self._stream.drop(
                "internal", f"{type(error).__name__}: {lines[0]}; the frame is dropped"
            )
