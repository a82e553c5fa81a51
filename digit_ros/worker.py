# SPDX-License-Identifier: Apache-2.0
"""The thread that answers images: the newest of each camera, together through the network."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import rclpy

from digit_core.hands import TwoHands
from digit_ros.latest_frame_queue import LatestFrameQueue, QueueItem
from digit_ros.oom_fallback import OomFallback
from digit_ros.stream import Stream, WaitingImage

T = TypeVar("T")


class Worker:
    """Runs from `start` to `stop`; can be started again."""

    def __init__(self, estimator: OomFallback, streams: Sequence[Stream]) -> None:
        """Nothing runs yet."""
        self._estimator = estimator
        self._streams = {stream.name: stream for stream in streams}
        self._queue = LatestFrameQueue()
        self._thread = threading.Thread()

    def start(self) -> None:
        """Open the streams and answer their images."""
        self._queue = LatestFrameQueue(give_way=len(self._streams) == 1)
        self._thread = threading.Thread(target=self._run, args=(self._queue,), daemon=True)
        self._thread.start()
        for stream in self._streams.values():
            stream.open(self._queue)

    def stop(self) -> None:
        """Finish the images at hand, then close the streams; nothing to do when not started."""
        if not self._thread.is_alive():
            return
        self._queue.close()
        self._thread.join()
        for stream in self._streams.values():
            stream.close()

    def _run(self, queue: LatestFrameQueue) -> None:
        while items := queue.take():
            self.answer(items)

    def answer(self, items: dict[str, QueueItem]) -> None:
        """Answer what the queue gave, by stream; runs in the worker's own thread."""
        waiting = []
        for name, item in items.items():
            stream = self._streams[name]
            image = _guarded(stream, partial(stream.prepare, item))
            if image is not None:
                waiting.append((stream, image))
        for stream, image, hands in self._estimated(waiting):
            _guarded(stream, partial(stream.finish, image, hands))

    def _estimated(
        self, waiting: list[tuple[Stream, WaitingImage]]
    ) -> list[tuple[Stream, WaitingImage, TwoHands]]:
        """All images in one batch; one by one where that fails, so that one camera fails alone."""
        if not waiting:
            return []
        try:
            results = self._estimator.run([image.prepared.job for _, image in waiting])
            return [(*one, hands) for one, hands in zip(waiting, results, strict=True)]
        except Exception as error:
            if len(waiting) == 1:
                _drop(waiting[0][0], error)
                return []
        return [answer for one in waiting for answer in self._estimated([one])]


def _guarded(stream: Stream, step: Callable[[], T]) -> T | None:
    """What a step gives; None where it fails: one frame must not end the node."""
    try:
        return step()
    except Exception as error:
        _drop(stream, error)
        return None


def _drop(stream: Stream, error: Exception) -> None:
    if not rclpy.ok():
        return
    lines = str(error).splitlines() or [""]
    stream.drop("internal", f"{type(error).__name__}: {lines[0]}; the frame is dropped")
