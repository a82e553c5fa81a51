# SPDX-License-Identifier: Apache-2.0
"""Sentences about bad input: logged once in a while, the newest kept for diagnostics."""

import threading
import time
from collections.abc import Callable

from digit_core.printable import printable

_PERIOD_S = 10.0
_MOST_IN_PERIOD = 8
_FRESH_S = 2.0


class ThrottledWarnings:
    """Logs each sentence at most once in ten seconds, and at most eight different ones."""

    def __init__(self, log: Callable[[str], object], clock_s: Callable[[], float] = time.monotonic):
        self._log, self._clock_s = log, clock_s
        self._lock = threading.Lock()
        self._said: dict[str, float] = {}
        self._newest = (float("-inf"), "")

    def warn(self, sentence: str) -> None:
        """Note `sentence`, and log it unless that was done just now."""
        # What a message names may hold line breaks and a terminal's control characters.
        sentence = printable(sentence)
        with self._lock:
            now_s = self._clock_s()
            self._newest = (now_s, sentence)
            self._said = {old: at for old, at in self._said.items() if now_s - at < _PERIOD_S}
            # Hostile input can make every sentence new; the log must not fill up with them.
            if sentence in self._said or len(self._said) >= _MOST_IN_PERIOD:
                return
            self._said[sentence] = now_s
        self._log(sentence)

    def newest(self) -> str:
        """The newest sentence of the last two seconds, empty when there was none."""
        with self._lock:
            at, sentence = self._newest
            return sentence if self._clock_s() - at < _FRESH_S else ""
