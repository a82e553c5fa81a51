# SPDX-License-Identifier: Apache-2.0
"""The size of a person's hands, learned over time where a depth image tells how far they are."""

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from digit_core.depth import RootDepth
from digit_core.hand_size import STATED_SIZE_SIGMA_M, HandScale
from digit_core.plain import number_of, plain

#: Frames are alike: so many of them say as much as one that is independent.
_ALIKE = 15.0
#: A frame's own error of the size, whatever its figures say: flesh, bent fingers, lens.
_FRAME_SIGMA_M = 0.010
#: Forgetting, metres a frame, so that another person's hands are learned in a minute.
_DRIFT_M = 0.0001
_OUTLIER_SIGMAS = 4.0
_SIZES_M = (0.08, 0.3)
#: From so little deviation on the learned size is better than the one that was given.
_KNOWN_BY = 0.8


class SizeLearner:
    """A Kalman filter of one number, the hands' size, that starts from what was given."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._size_m = self._sigma_m = math.nan
        self._given: HandScale | None = None
        self._known = False

    @property
    def scale(self) -> HandScale | None:
        """What was learned; None while that is no better than what was given."""
        if not self._known or self._given is None:
            return None
        return replace(
            self._given, size_m=self._size_m, sigma_m=max(self._sigma_m, STATED_SIZE_SIGMA_M)
        )

    def to_dict(self) -> dict[str, Any]:
        """What was learned, as plain numbers."""
        return {
            "size_m": plain(self._size_m),
            "sigma_m": plain(self._sigma_m),
            "given": asdict(self._given) if self._given else None,
            "known": self._known,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SizeLearner":
        """The learner that `to_dict` told.

        Raises:
            ValueError, KeyError, TypeError: the values are not those of a learner.
        """
        made = cls()
        given = values["given"]
        made._given = None if given is None else HandScale(**given)
        made._size_m = number_of(values["size_m"], "size_m")
        made._sigma_m = number_of(values["sigma_m"], "sigma_m")
        made._known = bool(values["known"])
        _ = made.scale  # HandScale refuses sizes that cannot be
        return made

    def compare(
        self, by_size: RootDepth, by_image: RootDepth, scale: HandScale, given: HandScale
    ) -> None:
        """Take one hand of one frame.

        Args:
            by_size: its wrist's depth by `scale`.
            by_image: the same by a depth image.
            scale: the size that `by_size` was told with.
            given: what the user said or an adult's mean; another one starts afresh.
        """
        if given != self._given:
            self._given, self._known = given, False
            self._size_m, self._sigma_m = given.size_m, given.sigma_m
        if not by_size.per_size > 0:
            return
        # How far the two are apart, as a difference of size.
        seen_m = scale.size_m + (by_image.depth_m - by_size.depth_m) / by_size.per_size
        own = by_size.sigma_m**2 - (by_size.per_size * scale.sigma_m) ** 2
        noise = (max(own, 0.0) + by_image.sigma_m**2) / by_size.per_size**2 + _FRAME_SIGMA_M**2
        self._update(seen_m, _ALIKE * noise)

    def _update(self, seen_m: float, variance: float) -> None:
        before = self._sigma_m**2 + _DRIFT_M**2
        innovation = seen_m - self._size_m
        if innovation**2 > _OUTLIER_SIGMAS**2 * (before + variance / _ALIKE):
            return
        gain = before / (before + variance)
        self._size_m = min(max(self._size_m + gain * innovation, _SIZES_M[0]), _SIZES_M[1])
        self._sigma_m = math.sqrt((1 - gain) * before)
        assert self._given is not None
        self._known = self._sigma_m < _KNOWN_BY * self._given.sigma_m
