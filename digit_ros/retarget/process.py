# SPDX-License-Identifier: Apache-2.0
"""A solver process at the other end of a pipe; nothing here ever waits for it."""

import json
import os
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from digit_core.printable import printable
from digit_ros.retarget import solver
from digit_ros.retarget.replies import LONGEST, BadReply, Failure, Positions, Ready, parse

#: Variables of ROS and of our environment that would give the other interpreter our libraries.
_OURS = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


class Solver:
    """Runs `solver.py` in another interpreter; at most one request is under way.

    Attributes:
        names, lower, upper: of the robot hand's joints, once it is ready.
        used: the person's joints that it looks at.
        ready: whether it has loaded the robot hand.
        fault: why it cannot be used any more; empty while it can.
    """

    def __init__(self, python: str, config: str, urdf: str, timeout_s: float) -> None:
        """Start it.

        Args:
            python: interpreter that has dex-retargeting.
            config: dex-retargeting's configuration of the robot hand.
            urdf: in place of the one that the configuration names; may be empty.
            timeout_s: an answer that takes longer is a fault.
        """
        self.ready, self.fault = False, ""
        self.names: list[str] = []
        self.used: list[int] = []
        self.lower = self.upper = np.zeros(0)
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._number, self._asked_s = 0, 0.0
        self._reset = True
        self._pending: np.ndarray | None = None
        self._answer: np.ndarray | None = None
        self._last_words = ""
        self._process = self._start(
            [python, "-I", str(_script()), config, *([urdf] if urdf else [])]
        )

    def _start(self, command: list[str]) -> subprocess.Popen[str] | None:
        environment = {k: v for k, v in os.environ.items() if k not in _OURS}
        try:
            process = subprocess.Popen(
                command,
                env={**environment, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # Ctrl-C ends it through us alone.
            )
        except OSError as error:
            self.fault = f"{command[0]}: cannot be run: {error.strerror}; see parameter python"
            return None
        for target in (self._read, self._listen):
            threading.Thread(target=target, args=(process,), daemon=True).start()
        return process

    def ask(self, joints: np.ndarray) -> None:
        """Solve for these joints (21, 3) as soon as it is free; the newest ones count."""
        with self._lock:
            self._pending = joints
        self._send()

    def take(self) -> np.ndarray | None:
        """The positions (J,) of a new answer, once; None when there is none."""
        with self._lock:
            answer, self._answer = self._answer, None
        return answer

    def forget(self) -> None:
        """Solve the next hand without regard to those before, and drop what is under way."""
        with self._lock:
            self._reset, self._pending, self._answer = True, None, None

    def check(self) -> str:
        """`fault`, after a look at the clock."""
        with self._lock:
            waiting_s = time.monotonic() - self._asked_s if self._asked_s else 0.0
        if waiting_s > self._timeout_s and not self.fault:
            self.fault = f"the solver has not answered for {self._timeout_s:g} s"
            self.close()
        return self.fault

    def close(self, wait_s: float = 0.0) -> None:
        """End it, and wait for its end for so long at most."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.kill()
        if wait_s:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(wait_s)

    def _send(self) -> None:
        with self._lock:
            free = self.ready and not self.fault and not self._asked_s
            if not free or self._pending is None or self._process is None:
                return
            self._number += 1
            request = {"id": self._number, "joints": self._pending.tolist(), "reset": self._reset}
            self._pending, self._reset, self._asked_s = None, False, time.monotonic()
            assert self._process.stdin is not None
            try:
                # It fits into the pipe's buffer, so that a solver that hangs blocks nobody.
                self._process.stdin.write(json.dumps(request) + "\n")
                self._process.stdin.flush()
            except OSError:
                pass  # It has ended; `_read` says so.

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        while line := process.stdout.readline(LONGEST):
            try:
                self._take(parse(line))
            except BadReply as error:
                self.fault = self.fault or f"the solver's reply cannot be understood: {error}"
                process.kill()
            self._send()
        code = process.wait()
        if not self.fault:
            self.fault = f"the solver ended ({_how(code)}); {self._last_words or 'it said nothing'}"

    def _take(self, reply: Ready | Positions | Failure) -> None:
        if isinstance(reply, Failure):
            self.fault = printable(reply.why)
            return
        if isinstance(reply, Ready):
            if self.ready:
                raise BadReply("expected the robot hand once")
            self.lower, self.upper = reply.lower, reply.upper
            self.names, self.used = reply.names, reply.used
            self.ready = True
            return
        if not self._asked_s or reply.number != self._number:
            raise BadReply("expected the answer to the request that is under way")
        if reply.positions.shape != self.lower.shape:
            raise BadReply(f"expected {len(self.names)} positions")
        with self._lock:
            self._asked_s = 0.0
            if not self._reset:  # else it answers a hand of before
                self._answer = reply.positions

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        while line := process.stderr.readline(LONGEST):
            self._last_words = printable(line.strip()) or self._last_words


def _script() -> Path:
    return Path(solver.__file__)


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
