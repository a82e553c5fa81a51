# SPDX-License-Identifier: Apache-2.0
"""The thread that answers images: the newest of each camera, together through the network."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import rclpy

from digit_core.hands import TwoHands
from digit_ros.fallback import Fallback
from digit_ros.inbox import Inbox
from digit_ros.stream import Prepared, Stream

T = TypeVar("T")


class Worker:
    """Runs from `start` to `stop`; can be started again."""

    def __init__(self, estimator: Fallback, streams: Sequence[Stream]) -> None:
        """Nothing runs yet."""
        self._estimator = estimator
        self._streams = {stream.name: stream for stream in streams}
        self._inbox = Inbox()
        self._thread = threading.Thread()

    def start(self) -> None:
        """Open the streams and answer their images."""
        self._inbox = Inbox(give_way=len(self._streams) == 1)
        self._thread = threading.Thread(target=self._run, args=(self._inbox,), daemon=True)
        self._thread.start()
        for stream in self._streams.values():
            stream.open(self._inbox)

    def stop(self) -> None:
        """Finish the images at hand, then close the streams; nothing to do when not started."""
        if not self._thread.is_alive():
            return
        self._inbox.close()
        self._thread.join()
        for stream in self._streams.values():
            stream.close()

    def _run(self, inbox: Inbox) -> None:
        while frames := inbox.take():
            self._answer(frames)

    def _answer(self, frames: dict[str, Any]) -> None:
        waiting = []
        for name, frame in frames.items():
            stream = self._streams[name]
            prepared = _guarded(stream, partial(stream.prepare, frame))
            if prepared is not None:
                waiting.append((stream, prepared))
        for stream, prepared, hands in self._estimated(waiting):
            _guarded(stream, partial(stream.finish, prepared, hands))

    def _estimated(
        self, waiting: list[tuple[Stream, Prepared]]
    ) -> list[tuple[Stream, Prepared, TwoHands]]:
        """All images in one batch; one by one where that fails, so that one camera fails alone."""
        if not waiting:
            return []
        try:
            results = self._estimator.batch([prepared.job for _, prepared in waiting])
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
