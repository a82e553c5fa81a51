# SPDX-License-Identifier: Apache-2.0
"""One hand as the network measured it in the image: 2.5D, with confidences."""

from dataclasses import dataclass

import numpy as np

from digit_core.hand_size import HandScale
from digit_core.pair import Sighting
from digit_core.skeleton import WRIST

#: A flat heatmap has 0.024 of its mass near its mean. Less means a mean between two far places,
#: where no joint is; more is a guess that its confidence and sigma describe.
MIN_JOINT_CONFIDENCE = 0.01


@dataclass(frozen=True)
class Measurement:
    """One hand as the network measured it: 2.5D.

    Attributes:
        side, confidence: as in `Hand`.
        joints_2d: (21, 2) float64 image pixels.
        depth_m: (21,) float64 relative to the wrist, metres for a hand of the scale's size.
        joint_confidence: (21,).
        sigma_px: (21,) image pixels.
        valid: (21,) bool.
        box: (4,) the crop it was seen in.
    """

    side: str
    confidence: float
    joints_2d: np.ndarray
    depth_m: np.ndarray
    joint_confidence: np.ndarray
    sigma_px: np.ndarray
    valid: np.ndarray
    box: np.ndarray


def measure(
    sighting: Sighting, scale: HandScale, min_confidence: float = MIN_JOINT_CONFIDENCE
) -> Measurement:
    """Take one hand's joints out of a reading; depths scaled to the hand's size."""
    reading, i = sighting.reading, sighting.channel
    joints, depth = reading.joints_2d[i], reading.depth_m[i] * scale.depth_factor
    confidence = reading.joint_confidence[i]
    valid = np.isfinite(joints).all(axis=1) & np.isfinite(depth) & (confidence >= min_confidence)
    # Everything hangs on the wrist: it is the network's best guess as long as it is a number.
    valid[WRIST] = np.isfinite(joints[WRIST]).all()
    depth = depth.copy()
    depth[WRIST] = 0.0
    return Measurement(
        side=sighting.side,
        confidence=sighting.confidence,
        joints_2d=joints,
        depth_m=depth,
        joint_confidence=confidence,
        sigma_px=reading.sigma_px[i],
        valid=valid,
        box=reading.crop.box,
    )
