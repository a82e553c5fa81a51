# SPDX-License-Identifier: Apache-2.0
"""The one-euro filter: little jitter when still, little lag when fast.

G. Casiez, N. Roussel, D. Vogel, "1 euro filter: a simple speed-based low-pass filter for noisy
input in interactive systems", CHI 2012, https://doi.org/10.1145/2207676.2208639
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from digit_core.plain import array_of, number_of, plain


@dataclass(frozen=True)
class OneEuroSettings:
    """Parameters of the filter.

    Attributes:
        min_cutoff_hz: cutoff at rest; lower means less jitter.
        beta: how the cutoff grows, Hz per (unit / s) of speed; higher means less lag.
        speed_cutoff_hz: cutoff of the speed's own filter.
    """

    min_cutoff_hz: float = 1.5
    beta: float = 15.0
    speed_cutoff_hz: float = 1.0


class OneEuro:
    """Filter of an array (..., D) over time; every row has a cutoff of its own, by its speed.

    >>> smooth, settings = OneEuro(), OneEuroSettings(min_cutoff_hz=1.0, beta=0.0)
    >>> smooth(np.array([[0.0]]), 0.0, settings).tolist()
    [[0.0]]
    >>> smooth(np.array([[1.0]]), 1 / 30, settings).round(3).tolist()
    [[0.173]]
    """

    def __init__(self) -> None:
        self._value: np.ndarray | None = None
        self._raw = self._speed = np.zeros(0)
        self._stamp_s = 0.0

    def __call__(
        self, value: np.ndarray, stamp_s: float, settings: OneEuroSettings, unit: float = 1.0
    ) -> np.ndarray:
        """Filter the next value.

        Args:
            value: (..., D); the same shape in every call.
            stamp_s: its time in seconds; one that is not later than the last starts afresh.
            settings: may change from call to call.
            unit: speeds are measured in this many of value's units a second, such as the size
                of a hand in pixels, so that settings hold at every scale.

        Returns:
            (..., D) float64. A row that is not finite passes unchanged, and starts afresh.
        """
        value = np.asarray(value, dtype=np.float64)
        dt = stamp_s - self._stamp_s
        if self._value is None or dt <= 0 or value.shape != self._value.shape:
            self._raw, self._value, self._speed = value, value, np.zeros_like(value)
        else:
            self._advance(value, dt, settings, unit)
        self._stamp_s = stamp_s
        assert self._value is not None
        return self._value

    def to_dict(self) -> dict[str, Any]:
        """What is remembered, as plain numbers; a row that is not finite is told by None."""
        if self._value is None:
            return {"stamp_s": None}
        return {
            "stamp_s": self._stamp_s,
            "value": plain(self._value),
            "raw": plain(self._raw),
            "speed": plain(self._speed),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], shape: tuple[int, ...]) -> "OneEuro":
        """The filter of arrays of a shape that `to_dict` told.

        Raises:
            ValueError, KeyError: the values are not those of such a filter.
        """
        made = cls()
        if values["stamp_s"] is None:
            return made
        made._stamp_s = number_of(values["stamp_s"], "stamp_s")
        made._value = array_of(values["value"], shape, "value")
        made._raw = array_of(values["raw"], shape, "raw")
        made._speed = array_of(values["speed"], shape, "speed")
        return made

    def _advance(
        self, value: np.ndarray, dt: float, settings: OneEuroSettings, unit: float
    ) -> None:
        speed = (value - self._raw) / (dt * unit)
        fresh = ~np.isfinite(speed).all(axis=-1, keepdims=True)
        speed = np.where(fresh, 0.0, speed)
        a = _alpha(np.array(settings.speed_cutoff_hz), dt)
        self._speed = a * speed + (1 - a) * self._speed
        rate = np.linalg.norm(self._speed, axis=-1, keepdims=True)
        a = _alpha(settings.min_cutoff_hz + settings.beta * rate, dt)
        self._value = np.where(fresh, value, a * value + (1 - a) * self._value)
        self._raw = value


def _alpha(cutoff_hz: np.ndarray, dt: float) -> np.ndarray:
    """Weight of the new value: 1 / (1 + tau / dt) with tau = 1 / (2 pi cutoff)."""
    return 1.0 / (1.0 + 1.0 / (2 * math.pi * cutoff_hz * dt))
