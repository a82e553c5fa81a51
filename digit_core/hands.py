# SPDX-License-Identifier: Apache-2.0
"""What the estimator gives back: `Hand` and `TwoHands`. Public joint order, metres, pixels."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np


class DepthSource(IntEnum):
    """Where the absolute depth of a hand comes from; the numbers are those of HandSkeleton.msg."""

    NONE = 0
    HAND_SIZE = 1
    DEPTH_IMAGE = 2
    EXTERNAL = 3


class Intrinsics(IntEnum):
    """Where the camera's intrinsics come from; the numbers are those of HandSkeleton.msg."""

    NONE = 0
    CAMERA_INFO = 1
    ASSUMED = 2


@dataclass(frozen=True)
class Hand:
    """One hand. A joint that is not valid is NaN in every position with its flag false.

    Attributes:
        side: "right" or "left", the person's own.
        confidence: probability that this hand is there, 0 to 1.
        joints_2d: (21, 2) float32, pixels (x, y) of the input image; (0, 0) is the centre of the
            first pixel.
        joints_relative: (21, 3) float32, metres from the wrist, camera axes.
        joints_3d: (21, 3) float32, metres, camera optical frame; None without camera or depth.
        joint_confidence: (21,) float32, 0 to 1, from the heatmaps.
        joint_sigma_px: (21,) float32, pixels of the input image, from the heatmaps.
        valid: (21,) bool.
        box: (4,) float32, x, y, width, height of the square crop that the hand was seen in, pixels.
        depth_source: where joints_3d's absolute depth comes from.
        depth_sigma: metres, one standard deviation of the wrist's absolute depth; NaN without.
        wrist_orientation: (4,) float32 quaternion x, y, z, w of the wrist's OpenXR axes
            (-Z toward the fingers, +Y out of the back of the hand) in the camera frame; NaN if
            unknown.
    """

    side: str
    confidence: float
    joints_2d: np.ndarray
    joints_relative: np.ndarray
    joints_3d: np.ndarray | None
    joint_confidence: np.ndarray
    joint_sigma_px: np.ndarray
    valid: np.ndarray
    box: np.ndarray
    depth_source: DepthSource = DepthSource.NONE
    depth_sigma: float = float("nan")
    wrist_orientation: np.ndarray = field(
        default_factory=lambda: np.full(4, np.nan, dtype=np.float32)
    )


class TwoHands:
    """The hands of one image; a hand that is absent is None. Not changed once made.

    Attributes:
        right, left: `Hand` or None.
        segmentation: (H, W) uint8 part labels of `digit_core.parts`, at the input image's size;
            painted when it is first asked for, as that costs time.
        timings_ms: milliseconds by stage ("detect", "network", "decode", ...), for diagnostics.
        raw: the same hands before the time filter, made when first asked for; None where nothing
            was filtered.

    >>> hands = TwoHands(right=None, left=None, segmentation=np.zeros((480, 640), np.uint8))
    >>> list(hands), hands.segmentation.shape
    ([], (480, 640))
    """

    def __init__(
        self,
        right: Hand | None,
        left: Hand | None,
        segmentation: np.ndarray | Callable[[], np.ndarray],
        timings_ms: dict[str, float] | None = None,
        raw: "TwoHands | Callable[[], TwoHands] | None" = None,
    ) -> None:
        """Make the pair; `segmentation` and `raw` may be functions that make them."""
        self.right = right
        self.left = left
        self.timings_ms = {} if timings_ms is None else timings_ms
        self._raw = raw
        self._segmentation = segmentation

    @property
    def segmentation(self) -> np.ndarray:
        """(H, W) uint8 part labels at the input image's size."""
        if callable(self._segmentation):
            self._segmentation = self._segmentation()
        return self._segmentation

    @property
    def raw(self) -> "TwoHands | None":
        """The same hands before the time filter; None where nothing was filtered."""
        if callable(self._raw):
            self._raw = self._raw()
        return self._raw

    def __iter__(self) -> Iterator[Hand]:
        """The hands that are there, right first."""
        return iter([hand for hand in (self.right, self.left) if hand is not None])

    def __repr__(self) -> str:
        """Sides and confidences."""
        hands = ", ".join(f"{hand.side} {hand.confidence:.2f}" for hand in self)
        return f"TwoHands({hands or 'none'})"
