# SPDX-License-Identifier: Apache-2.0
"""One image on its way through the estimator: what to look at, what was seen, the hands."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np

from digit_core import boxes, tracking
from digit_core.decode import Reading
from digit_core.depth import RootDepth
from digit_core.detection import Detection
from digit_core.hands import Hand, TwoHands
from digit_core.lift import (
    build_hand,
    depths_by_image,
    depths_by_size,
    left_minus_right,
    reconciled,
)
from digit_core.measurement import Measurement, measure
from digit_core.pair import Candidate, Look, Sighting, plan, plan_again, resolve
from digit_core.request import ImageRequest
from digit_core.second_look import joined
from digit_core.segmentation import paint
from digit_core.skeleton import SIDES
from digit_core.track_state import TrackState

_MOST_BOXES = 2


class ImageState:
    """One image between the estimator's stages; `finish` takes it into its stream's state.

    A mirrored image is turned back for everything inside; `finish` turns the pixels again.

    Attributes:
        image: (H, W, 3) uint8 RGB, turned back where it is mirrored.
        settings: of the stream.
        looks: the crops that the network is to see next.
        seen: side to what the crops showed.
        wants_detection: whether the detector is to search the image.
        timings_ms: milliseconds by stage.
    """

    def __init__(self, track: TrackState, request: ImageRequest) -> None:
        """Plan the first look at an image that was checked."""
        self.track, self.settings, self.scale = track, track.settings, track.known_scale
        self._request, self._shape = request, request.shape
        image, camera, mirrored = request.image, request.camera, track.settings.mirrored
        self.image = image[:, ::-1] if mirrored else image
        self._camera = camera.mirrored(self._shape[1]) if mirrored and camera else camera
        self._stamp_s = tracking.begin(track, request.stamp_s)
        self.seen: dict[str, Sighting] = {}
        self.looks: list[Look] = []
        self.timings_ms: dict[str, float] = {}
        self._candidates = tracking.held_candidates(track)
        self._fresh = not self._candidates
        self.wants_detection = request.boxes is None and tracking.wants_detection(track)
        if request.boxes is not None:
            self._take_boxes(request.boxes)
        self._plan()

    def take_detections(self, detections: Sequence[Detection]) -> None:
        """Add what the detector found to the places to look at."""
        self._add(tracking.new_candidates(self.track, detections))

    def take_readings(self, seen: Sequence[tuple[Look, Reading]]) -> None:
        """Decide which hands the looks showed; a second look is joined with the first."""
        if self.seen:
            seen = [(look, joined(self.seen, look, reading)) for look, reading in seen]
        hands = resolve(seen, tracking.thresholds(self.track))
        self.seen = tracking.keep_sides(self.track, hands)

    def look_again(self) -> bool:
        """Plan a second look at hands newly found, from the first one's joints."""
        if not (self._fresh and self.seen):
            return False
        self.looks = plan_again(self.seen, tracking.margin(self.track))
        return True

    def finish(self) -> TwoHands:
        """Make the public result and take the image into the stream's state."""
        measured = {
            side: measure(s, self.scale, self.settings.min_joint_confidence)
            for side, s in self.seen.items()
        }
        depths = self._wrist_depths(measured)
        picture = self._painter()
        tracking.update(self.track, self.seen)
        if not self.settings.smooth:
            return self._two_hands(measured, depths, picture)

        def raw() -> TwoHands:
            return self._two_hands(measured, depths, picture)

        smooth, smooth_depths = self._smooth(measured, depths)
        return self._two_hands(smooth, smooth_depths, picture, raw)

    def _wrist_depths(self, measured: Mapping[str, Measurement]) -> dict[str, RootDepth]:
        """Depths by the depth image where it shows the hand, else by the hands' size."""
        if self._camera is None or not measured or not self.settings.absolute_depth:
            return {}
        by_size = depths_by_size(measured, self._camera, self.scale)
        image = self._request.depth_image()
        by_image: dict[str, RootDepth] = {}
        if image is not None:
            image = image.mirrored() if self.settings.mirrored else image
            by_image = depths_by_image(
                image, self._shape, measured, self._camera, self.scale, by_size
            )
        tracking.learn_size(self.track, by_size, by_image, self.scale)
        return reconciled({**by_size, **by_image}, self.scale, left_minus_right(self.seen))

    def _smooth(
        self, measured: Mapping[str, Measurement], depths: Mapping[str, RootDepth]
    ) -> tuple[dict[str, Measurement], dict[str, RootDepth]]:
        smooth, smooth_depths = {}, {}
        for side, m in measured.items():
            smooth[side], depth = tracking.smooth(
                self.track, side, m, depths.get(side), self._stamp_s
            )
            if depth is not None:
                smooth_depths[side] = depth
        return smooth, smooth_depths

    def _two_hands(
        self,
        measured: Mapping[str, Measurement],
        depths: Mapping[str, RootDepth],
        picture: Callable[[], np.ndarray],
        raw: Callable[[], TwoHands] | None = None,
    ) -> TwoHands:
        hands = {
            side: self._as_given(build_hand(m, self._camera, depths.get(side), self.scale))
            for side, m in measured.items()
        }
        right, left = (hands.get(side) for side in SIDES)
        return TwoHands(right, left, picture, self.timings_ms, raw)

    def _as_given(self, hand: Hand) -> Hand:
        """The hand in the pixels of the image as it was given."""
        if not self.settings.mirrored:
            return hand
        joints = hand.joints_2d.copy()
        joints[:, 0] = self._shape[1] - 1 - joints[:, 0]
        box = boxes.mirror(hand.box, self._shape[1]).astype(np.float32)
        return replace(hand, joints_2d=joints, box=box)

    def _painter(self) -> Callable[[], np.ndarray]:
        shape, seen, mirrored = self._shape, list(self.seen.values()), self.settings.mirrored

        def picture() -> np.ndarray:
            labels = paint(shape, seen)
            return cv2.flip(labels, 1) if mirrored else labels

        return picture

    def _take_boxes(self, given: Sequence[np.ndarray]) -> None:
        arrays = [np.asarray(b, dtype=np.float64).reshape(4) for b in given]
        arrays = [b for b in arrays if np.isfinite(b).all() and b[2] > 0 and b[3] > 0]
        if self.settings.mirrored:
            arrays = [boxes.mirror(b, self._shape[1]) for b in arrays]
        arrays = tracking.new_boxes(self.track, arrays)
        arrays.sort(key=lambda b: -float(b[2] * b[3]))
        room = _MOST_BOXES - len(self._candidates)
        self._add([Candidate(b) for b in arrays[:room]])

    def _add(self, found: Sequence[Candidate]) -> None:
        self._fresh = self._fresh or bool(found)
        self._candidates = [*self._candidates, *found]
        self._plan()

    def _plan(self) -> None:
        self.looks = plan(self._candidates, tracking.margin(self.track))
