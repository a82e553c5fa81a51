# SPDX-License-Identifier: Apache-2.0
"""Following the hands of one stream from frame to frame."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from digit_core import boxes
from digit_core.camera import Camera
from digit_core.crop import MARGIN
from digit_core.depth import RootDepth
from digit_core.detection import SAME_HAND_IOU, Detection, choose
from digit_core.hand_size import HandScale
from digit_core.hands import TwoHands
from digit_core.measurement import Measurement
from digit_core.pair import Candidate, Sighting
from digit_core.settings import Settings
from digit_core.size_learner import SizeLearner
from digit_core.skeleton import SIDES
from digit_core.smoothing import HandFilter

if TYPE_CHECKING:
    from digit_core.estimator import DigitEstimator
    from digit_core.frame import DepthGiver

#: Hands in one crop stay in one until they are this far apart, so that it does not flicker.
PARTING_MARGIN = 1.5
#: How much of a frame's evidence for a side is kept; frames are not independent.
_SIDE_MEMORY = 0.3
_SIDE_LIMIT = 6.0
#: After so many frames in a row the network's exchange of the sides is believed.
_SWAPS_BELIEVED = 8
#: An exchange shows when the other assignment is this much nearer to the last frame.
_SWAP_RATIO = 0.5
#: A hand that was lost is searched for after so many frames.
_FRAMES_AFTER_LOSS = 1
#: Places looked at in one search.
_MOST_NEW = 3


@dataclass(frozen=True)
class _Held:
    """A hand as it was last seen."""

    box: np.ndarray
    joints_2d: np.ndarray
    side_logit: float


class Tracker:
    """One stream: keeps boxes, sides, filter and hand scale between frames.

    Made by `DigitEstimator.tracker`. Not for two streams, and not for two threads at once.

    Attributes:
        settings: may be replaced at any time.
        scale: the hands' size; may be replaced at any time.
    """

    def __init__(self, estimator: "DigitEstimator", settings: Settings, scale: HandScale) -> None:
        self.settings = settings
        self.scale = scale
        self._learner = SizeLearner()
        self._estimator = estimator
        self.reset()

    def reset(self) -> None:
        """Forget everything seen, as at the start of another recording, but the hands' size."""
        self._held: dict[str, _Held] = {}
        self._filters: dict[str, HandFilter] = {}
        self._together = False
        self._swaps = 0
        self._frames_to_search = 0
        self._stamp_s: float | None = None

    def __call__(
        self,
        image: np.ndarray,
        camera: Camera | None = None,
        stamp_s: float | None = None,
        boxes: Sequence[np.ndarray] | None = None,
        depth: "DepthGiver | None" = None,
    ) -> TwoHands:
        """Follow the hands into the next image.

        Args:
            image: (H, W, 3) uint8 RGB.
            camera: its intrinsics.
            stamp_s: its time in seconds; None for now. A step back starts everything afresh.
            boxes: (4,) each x, y, width, height about single hands, pixels, in place of the
                detector.
            depth: gives the `DepthImage` registered to `image`, or None; it is asked once, after
                the network has run, so that it may still come meanwhile.

        Raises:
            ValueError: the image or the camera cannot be used; the sentence says why.
        """
        return self._estimator.batch([(self, image, camera, stamp_s, boxes, depth)])[0]

    @property
    def known_scale(self) -> HandScale:
        """The hands' size as far as it is known: learned from depth images, or as given."""
        learned = self._learner.scale if self.settings.learn_hand_size else None
        return learned or self.scale

    def learn_size(
        self,
        by_size: Mapping[str, RootDepth],
        by_image: Mapping[str, RootDepth],
        scale: HandScale,
    ) -> None:
        """Compare a frame's depths by hand size with those by a depth image, by side."""
        if self.settings.learn_hand_size:
            for side in by_size.keys() & by_image.keys():
                self._learner.compare(by_size[side], by_image[side], scale, self.scale)

    @property
    def wants_detection(self) -> bool:
        """Whether the detector should search the coming frame."""
        if not self._held:
            return True
        return len(self._held) < len(SIDES) and self._frames_to_search <= 0

    @property
    def margin(self) -> float:
        """How far boxes grow to be looked at together."""
        return PARTING_MARGIN if self._together else MARGIN

    @property
    def thresholds(self) -> dict[str, float]:
        """Least confidence by side: lower for a hand that is followed."""
        s = self.settings
        return {side: s.presence_off if side in self._held else s.presence_on for side in SIDES}

    def begin(self, stamp_s: float | None) -> float:
        """Take the coming frame's time; a clock that jumps resets. Returns the time used."""
        now = time.monotonic() if stamp_s is None else float(stamp_s)
        if self._stamp_s is not None and not 0 <= now - self._stamp_s <= self.settings.max_gap_s:
            self.reset()
        self._stamp_s = now
        return now

    def followed(self) -> list[Candidate]:
        """Where the hands of the last frame were."""
        return [Candidate(h.box, h.side_logit, side) for side, h in self._held.items()]

    def missing(self, detections: Sequence[Detection]) -> list[Candidate]:
        """Of a search's detections those for hands that are not followed yet."""
        self._frames_to_search = self.settings.detect_every
        held = list(self._held.values())
        partner = held[0].box if held else None
        free = [d for d in detections if not any(_same(d.box, h.box) for h in held)]
        return choose(free, _MOST_NEW, partner)

    def new_boxes(self, given: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Of boxes given from outside those where no hand is followed yet."""
        return [b for b in given if not any(_same(b, h.box) for h in self._held.values())]

    def keep_sides(self, seen: dict[str, Sighting]) -> dict[str, Sighting]:
        """Undo an exchange of right and left between two frames; hands cannot do that."""
        if len(seen) < 2 or len(self._held) < 2 or not self._exchanged(seen):
            self._swaps = 0
            return seen
        self._swaps += 1
        if self._swaps > _SWAPS_BELIEVED:
            return seen
        right, left = seen["right"], seen["left"]
        return {"right": replace(left, side="right"), "left": replace(right, side="left")}

    def update(self, seen: Mapping[str, Sighting]) -> None:
        """Take what the frame showed as the start for the next."""
        self._frames_to_search -= 1
        if self._held.keys() - seen.keys():
            # Not in the very next frame: hands that cross are lost and found for a moment.
            self._frames_to_search = _FRAMES_AFTER_LOSS
        readings = {id(s.reading) for s in seen.values()}
        self._together = len(seen) == 2 and len(readings) == 1
        self._held = {side: self._hold(side, sighting) for side, sighting in seen.items()}
        self._filters = {side: f for side, f in self._filters.items() if side in seen}

    def smooth(
        self, side: str, m: Measurement, depth: RootDepth | None, stamp_s: float
    ) -> tuple[Measurement, RootDepth | None]:
        """A hand's measurement and wrist depth, filtered over time."""
        hand_filter = self._filters.setdefault(side, HandFilter())
        return (
            hand_filter.measurement(m, stamp_s, self.settings, self.scale),
            hand_filter.wrist(depth, stamp_s, self.settings, self.scale),
        )

    def _hold(self, side: str, sighting: Sighting) -> _Held:
        before = self._held.get(side)
        prior = before.side_logit if before else 0.0
        logit = prior + _SIDE_MEMORY * (sighting.side_logit - prior)
        if before is None:
            logit = sighting.side_logit
        return _Held(
            sighting.box, sighting.joints_2d, float(np.clip(logit, -_SIDE_LIMIT, _SIDE_LIMIT))
        )

    def _exchanged(self, seen: Mapping[str, Sighting]) -> bool:
        def distance(a: str, b: str) -> float:
            gap = seen[a].joints_2d - self._held[b].joints_2d
            return float(np.linalg.norm(gap, axis=1).mean())

        straight = distance("right", "right") + distance("left", "left")
        crossed = distance("right", "left") + distance("left", "right")
        return crossed < _SWAP_RATIO * straight


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return boxes.iou(boxes.square(a), boxes.square(b)) > SAME_HAND_IOU
