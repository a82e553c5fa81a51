# SPDX-License-Identifier: Apache-2.0
"""One image on its way through the estimator: what to look at, what was seen, the hands."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np

from digit_core import boxes
from digit_core.camera import Camera
from digit_core.crop import MARGIN
from digit_core.decode import Reading
from digit_core.depth import RootDepth
from digit_core.depth_image import DepthImage
from digit_core.detection import Detection, choose
from digit_core.hand_size import HandScale
from digit_core.hands import Hand, TwoHands
from digit_core.lift import (
    build_hand,
    depths_by_image,
    depths_by_size,
    left_minus_right,
    reconciled,
)
from digit_core.measurement import Measurement, measure
from digit_core.pair import MOST_LOOKS, Candidate, Look, Sighting, plan, plan_again, resolve
from digit_core.segmentation import paint
from digit_core.settings import Settings
from digit_core.skeleton import SIDES
from digit_core.tracker import Tracker

#: Gives the depth image of an image, or None when none has come.
DepthGiver = Callable[[], DepthImage | None]

_MOST_BOXES = 2
#: Crops of one hand that overlap more show the network the same. On photos and rendered frames as
#: many hands are right as with every second look; with none hands are told where none are twice as
#: often, and sides of hands together are worse.
_SAME_CROP_IOU = 0.6


class Frame:
    """State of one image between the estimator's stages.

    A mirrored image is turned back for everything inside; `finish` turns the pixels again.
    """

    def __init__(
        self,
        image: np.ndarray,
        camera: Camera | None,
        settings: Settings,
        scale: HandScale,
        track: Tracker | None = None,
        stamp_s: float | None = None,
        given: Sequence[np.ndarray] | None = None,
        depth: DepthGiver | None = None,
    ) -> None:
        """Check the input and plan the first look.

        Args:
            image, camera, stamp_s: as `Tracker` takes them.
            settings, scale: of the stream or the single image.
            track: whose image it is.
            given: boxes in the detector's place.
            depth: gives the depth image that belongs to it; asked once, when hands were seen.

        Raises:
            ValueError: the image or the camera cannot be used.
        """
        check_input(image, camera)
        self.settings, self.scale, self.track = settings, scale, track
        self._depth_giver = depth
        self.shape: tuple[int, int] = (image.shape[0], image.shape[1])
        self.image = image[:, ::-1] if settings.mirrored else image
        flip = settings.mirrored and camera is not None
        self.camera = camera.mirrored(self.shape[1]) if flip and camera else camera
        self.stamp_s = track.begin(stamp_s) if track else 0.0
        self.seen: dict[str, Sighting] = {}
        self.looks: list[Look] = []
        self.timings_ms: dict[str, float] = {}
        self._candidates = track.followed() if track else []
        self._fresh = not self._candidates
        self.wants_detection = given is None and (track is None or track.wants_detection)
        if given is not None:
            self._take_boxes(given)
        self._plan()

    def take_detections(self, detections: Sequence[Detection]) -> None:
        """Add what the detector found to the places to look at."""
        found = self.track.missing(detections) if self.track else choose(detections, MOST_LOOKS)
        self._add(found)

    def take_readings(self, seen: Sequence[tuple[Look, Reading]]) -> None:
        """Decide which hands the looks showed."""
        hands = resolve(seen, self._thresholds)
        self.seen = self.track.keep_sides(hands) if self.track else hands

    def look_again(self) -> bool:
        """Plan a second look from the first one's joints, for hands newly found.

        Not where it would show what has been read already; of hands that the picture's edge may
        cut the first look alone is too easily sure.
        """
        if not (self._fresh and self.seen):
            return False
        read, again = self.looks, plan_again(self.seen, self._margin)
        if all(any(_alike(new, old) for old in read) and self._inside(new) for new in again):
            return False
        self.looks = again
        return True

    def finish(self) -> TwoHands:
        """Make the public result and hand the frame's state to the tracker."""
        measured = {
            side: measure(s, self.scale, self.settings.min_joint_confidence)
            for side, s in self.seen.items()
        }
        depths = self._wrist_depths(measured)
        picture = self._painter()
        if self.track:
            self.track.update(self.seen)
        if self.track is None or not self.settings.smooth:
            return self._two_hands(measured, depths, picture)

        def raw() -> TwoHands:
            return self._two_hands(measured, depths, picture)

        smooth, smooth_depths = self._smooth(self.track, measured, depths)
        return self._two_hands(smooth, smooth_depths, picture, raw)

    def _wrist_depths(self, measured: Mapping[str, Measurement]) -> dict[str, RootDepth]:
        """Depths by the depth image where it shows the hand, else by the hands' size."""
        if self.camera is None or not measured or not self.settings.absolute_depth:
            return {}
        by_size = depths_by_size(measured, self.camera, self.scale)
        image = self._depth_giver() if self._depth_giver else None
        by_image: dict[str, RootDepth] = {}
        if image is not None:
            image = image.mirrored() if self.settings.mirrored else image
            by_image = depths_by_image(
                image, self.shape, measured, self.camera, self.scale, by_size
            )
        if self.track:
            self.track.learn_size(by_size, by_image, self.scale)
        return reconciled({**by_size, **by_image}, self.scale, left_minus_right(self.seen))

    def _smooth(
        self, track: Tracker, measured: Mapping[str, Measurement], depths: Mapping[str, RootDepth]
    ) -> tuple[dict[str, Measurement], dict[str, RootDepth]]:
        smooth, smooth_depths = {}, {}
        for side, m in measured.items():
            smooth[side], depth = track.smooth(side, m, depths.get(side), self.stamp_s)
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
            side: self._as_given(build_hand(m, self.camera, depths.get(side), self.scale))
            for side, m in measured.items()
        }
        right, left = (hands.get(side) for side in SIDES)
        return TwoHands(right, left, picture, self.timings_ms, raw)

    def _as_given(self, hand: Hand) -> Hand:
        """The hand in the pixels of the image as it was given."""
        if not self.settings.mirrored:
            return hand
        joints = hand.joints_2d.copy()
        joints[:, 0] = self.shape[1] - 1 - joints[:, 0]
        box = boxes.mirror(hand.box, self.shape[1]).astype(np.float32)
        return replace(hand, joints_2d=joints, box=box)

    def _inside(self, look: Look) -> bool:
        x, y, side, _ = look.crop.box
        height, width = self.shape
        return bool(min(x, y) >= 0 and x + side <= width and y + side <= height)

    def _painter(self) -> Callable[[], np.ndarray]:
        shape, seen, mirrored = self.shape, list(self.seen.values()), self.settings.mirrored

        def picture() -> np.ndarray:
            labels = paint(shape, seen)
            return cv2.flip(labels, 1) if mirrored else labels

        return picture

    @property
    def _thresholds(self) -> dict[str, float]:
        if self.track:
            return self.track.thresholds
        return dict.fromkeys(SIDES, self.settings.presence_on)

    @property
    def _margin(self) -> float:
        return self.track.margin if self.track else MARGIN

    def _take_boxes(self, given: Sequence[np.ndarray]) -> None:
        arrays = [np.asarray(b, dtype=np.float64).reshape(4) for b in given]
        arrays = [b for b in arrays if np.isfinite(b).all() and b[2] > 0 and b[3] > 0]
        if self.settings.mirrored:
            arrays = [boxes.mirror(b, self.shape[1]) for b in arrays]
        if self.track:
            arrays = self.track.new_boxes(arrays)
        arrays.sort(key=lambda b: -float(b[2] * b[3]))
        room = _MOST_BOXES - len(self._candidates)
        self._add([Candidate(b) for b in arrays[:room]])

    def _add(self, found: Sequence[Candidate]) -> None:
        self._fresh = self._fresh or bool(found)
        self._candidates = [*self._candidates, *found]
        self._plan()

    def _plan(self) -> None:
        self.looks = plan(self._candidates, self._margin)


def _alike(a: Look, b: Look) -> bool:
    same_hands = len(a.candidates) == len(b.candidates)
    return same_hands and boxes.iou(a.crop.box, b.crop.box) > _SAME_CROP_IOU


def check_input(image: np.ndarray, camera: Camera | None) -> None:
    """Refuse an image that is not (H, W, 3) uint8, and a camera for images of another size.

    Raises:
        ValueError: one sentence that says what was expected.
    """
    expected = "expected a uint8 array (height, width, 3), RGB"
    if not isinstance(image, np.ndarray):
        raise ValueError(f"image: {expected}, got {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image: {expected}, got {image.dtype} {image.shape}")
    if image.size == 0:
        raise ValueError(f"image: it is empty, shape {image.shape}")
    height, width = image.shape[:2]
    if camera and (camera.width not in (None, width) or camera.height not in (None, height)):
        raise ValueError(
            f"camera: is for images of {camera.width}x{camera.height}, got {width}x{height}"
        )
