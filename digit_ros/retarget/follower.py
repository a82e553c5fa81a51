# SPDX-License-Identifier: Apache-2.0
"""What a robot hand is told when: engagement, holding, stopping, and the limit of joint speeds.

Pure: times come in as seconds of any monotonic clock, positions go out; nothing is published here.
"""

import math

import numpy as np


class Follower:
    """One robot hand that follows a person's hand.

    Attributes:
        names: the robot hand's joints.
    """

    def __init__(self, names: list[str], lower: np.ndarray, upper: np.ndarray) -> None:
        """Limits are (J,) radians, or metres for joints that slide."""
        self.names = names
        self._lower, self._upper = np.asarray(lower, float), np.asarray(upper, float)
        self._measured: dict[str, float] = {}
        self._target: np.ndarray | None = None
        self._position: np.ndarray | None = None
        self._seen_s = -math.inf

    def measure(self, names: list[str], positions: list[float]) -> None:
        """Where the robot hand is, as its driver says; other robots' joints do no harm."""
        known = set(self.names)
        measured = {n: p for n, p in zip(names, positions, strict=False) if n in known}
        self._measured.update({n: p for n, p in measured.items() if math.isfinite(p)})

    def engage(self, now_s: float) -> None:
        """Start from where the robot hand is; from zero, or the nearest to it, when untold."""
        start = np.array([self._measured.get(name, 0.0) for name in self.names])
        self._position = np.clip(start, self._lower, self._upper)
        self._target, self._seen_s = None, now_s

    def aim(self, positions: np.ndarray, now_s: float) -> None:
        """Move toward these positions (J,) from now on; what is not finite is not taken."""
        positions = np.asarray(positions, float)
        if positions.shape == self._lower.shape and np.isfinite(positions).all():
            self._target = np.clip(positions, self._lower, self._upper)
            self._seen_s = now_s

    def lost_s(self, now_s: float) -> float:
        """For how long nothing has been aimed at."""
        return now_s - self._seen_s

    def step(self, seconds: float, max_speed: float, hold: bool) -> np.ndarray | None:
        """The positions (J,) to send now; None before there is anything to follow.

        Args:
            seconds: since the step before.
            max_speed: of every joint, radians (or metres) a second.
            hold: stay where it is.
        """
        if self._position is None or self._target is None:
            return None
        if not hold:
            most = max_speed * max(seconds, 0.0)
            self._position = self._position + np.clip(self._target - self._position, -most, most)
        return self._position.copy()
