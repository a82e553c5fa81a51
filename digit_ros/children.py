# SPDX-License-Identifier: Apache-2.0
"""Child processes that never outlive their parent's work, and can say why they ended."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_LOG_PREFIX = re.compile(r"^\[(?:FATAL|ERROR|WARN|INFO)\] \[[\d.]+\] (?=\[)")


def _die_with_parent() -> None:
    """Runs in the child before its program: Linux ends it when we are gone, however we went."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """A process whose words are passed on and remembered.

    Attributes:
        name: what people call it.
    """

    def __init__(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches it through us alone."""
        self.name = name
        self._words: deque[str] = deque(maxlen=50)
        self._process = subprocess.Popen(
            command,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        self._reader = threading.Thread(target=self._pass_on, daemon=True)
        self._reader.start()

    def _pass_on(self) -> None:
        for line in self._process.stdout or ():
            self._words.append(line.rstrip())
            sys.stderr.write(line)
            sys.stderr.flush()

    @property
    def code(self) -> int | None:
        """Exit code, None while it runs."""
        return self._process.poll()

    def said(self, pattern: str) -> re.Match[str] | None:
        """The newest line that matches, whole output once it has ended."""
        if self.code is not None:
            self._reader.join(1.0)
        matches = (re.search(pattern, line) for line in reversed(list(self._words)))
        return next((match for match in matches if match), None)

    def last_words(self) -> str:
        """Its last line, without a log line's level and time."""
        self._reader.join(1.0)
        lines = [line for line in self._words if line.strip()]
        return _LOG_PREFIX.sub("", lines[-1]) if lines else "it said nothing"

    def end(self, limit_s: float = 10.0) -> None:
        """Ask it to end and wait; what has not ended in time is killed."""
        # Not SIGINT: Python would answer that with a traceback while it still imports.
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it and all that it started, now."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass  # It ended by itself.
