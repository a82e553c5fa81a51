# SPDX-License-Identifier: Apache-2.0
"""Our own weights as a teacher."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from digit_core import DigitEstimator
from digit_core.settings import Settings
from training.label_photos.looks import Look, Sighting, as_seen

#: Confidence from which a hand is told; where whatever may be a hand is asked for; and a joint's.
_USUAL, _LOW, _JOINT = 0.6, 0.2, 1e-6


class WeightsTeacher:
    """A weights file, the bundled one by default.

    Args:
        weights: any that `DigitEstimator.load` reads.
        device: "cpu", "cuda", ...; the best there is by default.

    Raises:
        ValueError: weights or device cannot be used; the sentence says why.
    """

    def __init__(self, weights: Path | None = None, device: str | None = None) -> None:
        settings = Settings(
            detection_threshold=0.1,
            presence_on=_LOW,
            presence_off=_LOW,
            min_joint_confidence=_JOINT,
            absolute_depth=False,
        )
        self._estimator = DigitEstimator.load(weights, device, settings=settings)

    def see(self, image: np.ndarray, looks: Sequence[tuple[int, Look]]) -> list[Sighting]:
        """Hands in views of an image (H, W, 3) uint8 RGB; each look has its view's number."""
        seen = []
        for number, look in looks:
            size, given = look.view.size, None
            if look.close is not None:
                side = size / look.close
                given = [np.array([(size - side) / 2, (size - side) / 2, side, side])]
            for hand in self._estimator(look.view.cut(image, 0), boxes=given):
                if hand.confidence >= (_LOW if look.low else _USUAL):
                    seen.append(as_seen(look, number, hand.side, hand.joints_2d))
        return seen

    def close(self) -> None:
        """Nothing is left behind."""
