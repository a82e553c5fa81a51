# SPDX-License-Identifier: Apache-2.0
"""What happened to the frames of one stream, counted for diagnostics. Safe to use from threads."""

import threading
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field

import numpy as np

_SAMPLES = 300


@dataclass(frozen=True)
class Summary:
    """One stream's figures; counts are since activation, rates over the last period.

    Attributes:
        received, processed, dropped: frames; dropped ones were replaced by a newer one in time.
        idle: frames that were not looked at, as nobody subscribed to anything.
        bad: bad inputs by kind ("image", "camera_info", ...).
        rate_in_hz, rate_out_hz: frames a second received and processed.
        latency_ms: stage -> (median, 99th percentile) over the last frames, milliseconds.
    """

    received: int = 0
    processed: int = 0
    dropped: int = 0
    idle: int = 0
    bad: dict[str, int] = field(default_factory=dict)
    rate_in_hz: float = 0.0
    rate_out_hz: float = 0.0
    latency_ms: dict[str, tuple[float, float]] = field(default_factory=dict)


class Counters:
    """Counts of one stream; `now_s` arguments are any monotonic clock's seconds."""

    def __init__(self, now_s: float) -> None:
        self._lock = threading.Lock()
        self._received = self._processed = self._dropped = self._idle = 0
        self._bad: Counter[str] = Counter()
        self._stages: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_SAMPLES))
        self._last = (now_s, 0, 0)

    def frame_received(self, *, dropped: bool) -> None:
        """One image arrived; `dropped` if an older one gave way to it."""
        with self._lock:
            self._received += 1
            self._dropped += dropped

    def frame_idle(self) -> None:
        """One image was not looked at: nobody would hear the answer."""
        with self._lock:
            self._idle += 1

    def bad_input(self, kind: str) -> None:
        """One message of `kind` could not be used."""
        with self._lock:
            self._bad[kind] += 1

    def frame_processed(self, stages_ms: dict[str, float]) -> None:
        """One image was answered; milliseconds by stage."""
        with self._lock:
            self._processed += 1
            for stage, duration in stages_ms.items():
                self._stages[stage].append(duration)

    def summary(self, now_s: float) -> Summary:
        """The figures now; rates are since the call before."""
        with self._lock:
            last_s, last_received, last_processed = self._last
            self._last = (now_s, self._received, self._processed)
            elapsed_s = max(now_s - last_s, 1e-9)
            return Summary(
                received=self._received,
                processed=self._processed,
                dropped=self._dropped,
                idle=self._idle,
                bad=dict(self._bad),
                rate_in_hz=(self._received - last_received) / elapsed_s,
                rate_out_hz=(self._processed - last_processed) / elapsed_s,
                latency_ms={stage: _percentiles(values) for stage, values in self._stages.items()},
            )


def _percentiles(values: deque[float]) -> tuple[float, float]:
    median, p99 = np.percentile(values, (50, 99))
    return float(median), float(p99)
