# SPDX-License-Identifier: Apache-2.0
"""The time filter of one hand: pixels, relative depths and the wrist's depth."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from digit_core.crop import MARGIN
from digit_core.depth import RootDepth
from digit_core.hand_size import HandScale
from digit_core.measurement import Measurement
from digit_core.one_euro import OneEuro
from digit_core.settings import Settings
from digit_core.skeleton import NUM_JOINTS


class HandFilter:
    """Filters what was measured, so that pixels, depths and 3D stay consistent."""

    def __init__(self) -> None:
        self._pixels, self._relative, self._wrist = OneEuro(), OneEuro(), OneEuro()

    def measurement(
        self, m: Measurement, stamp_s: float, settings: Settings, scale: HandScale
    ) -> Measurement:
        """The measurement with joints_2d and depth_m filtered."""
        size_px = float(m.box[2]) / MARGIN
        pixels = self._pixels(m.joints_2d, stamp_s, settings.position_filter, size_px)
        depth = self._relative(m.depth_m[:, None], stamp_s, settings.depth_filter, scale.size_m)
        return replace(m, joints_2d=pixels, depth_m=depth[:, 0])

    def wrist(
        self, depth: RootDepth | None, stamp_s: float, settings: Settings, scale: HandScale
    ) -> RootDepth | None:
        """The wrist's depth filtered; None starts afresh."""
        if depth is None:
            self._wrist = OneEuro()
            return None
        value = self._wrist(np.array([depth.depth_m]), stamp_s, settings.depth_filter, scale.size_m)
        return replace(depth, depth_m=float(value[0]))

    def to_dict(self) -> dict[str, Any]:
        """What is remembered, as plain numbers."""
        return {
            "pixels": self._pixels.to_dict(),
            "relative": self._relative.to_dict(),
            "wrist": self._wrist.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "HandFilter":
        """The filter that `to_dict` told.

        Raises:
            ValueError, KeyError: the values are not those of a filter.
        """
        made = cls()
        made._pixels = OneEuro.from_dict(values["pixels"], (NUM_JOINTS, 2))
        made._relative = OneEuro.from_dict(values["relative"], (NUM_JOINTS, 1))
        made._wrist = OneEuro.from_dict(values["wrist"], (1,))
        return made
