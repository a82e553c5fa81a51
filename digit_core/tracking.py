# SPDX-License-Identifier: Apache-2.0
"""How a stream's state goes from one image to the next: whose hands are these?"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from digit_core import boxes
from digit_core.depth import RootDepth
from digit_core.detection import SAME_HAND_IOU, Detection, choose
from digit_core.hand_size import HandScale
from digit_core.measurement import Measurement
from digit_core.pair import TOGETHER_MARGIN, Candidate, Sighting
from digit_core.skeleton import SIDES
from digit_core.smoothing import HandFilter
from digit_core.track_state import HeldHand, TrackState

#: Hands in one crop stay in one until they are this far apart, so that it does not flicker.
PARTING_MARGIN = 1.5
#: How much of an image's evidence for a side is kept; images are not independent.
_SIDE_MEMORY = 0.3
_SIDE_LIMIT = 6.0
#: After so many images in a row the network's exchange of the sides is believed.
_SWAPS_BELIEVED = 8
#: An exchange shows when the other assignment is this much nearer to the last image.
_SWAP_RATIO = 0.5
#: A hand that was lost is searched for after so many images.
_IMAGES_AFTER_LOSS = 1


def begin(state: TrackState, stamp_s: float | None) -> float:
    """Take the coming image's time in seconds; a clock that jumps resets. Gives the time used."""
    now = time.monotonic() if stamp_s is None else float(stamp_s)
    if state.stamp_s is not None and not 0 <= now - state.stamp_s <= state.settings.max_gap_s:
        state.reset()
    state.stamp_s = now
    return now


def wants_detection(state: TrackState) -> bool:
    """Whether the detector should search the coming image."""
    if not state.held:
        return True
    return len(state.held) < len(SIDES) and state.images_to_search <= 0


def margin(state: TrackState) -> float:
    """How far boxes grow to be looked at together."""
    return PARTING_MARGIN if state.together else TOGETHER_MARGIN


def thresholds(state: TrackState) -> dict[str, float]:
    """Least confidence by side: lower for a hand that is followed."""
    s = state.settings
    return {side: s.presence_off if side in state.held else s.presence_on for side in SIDES}


def held_candidates(state: TrackState) -> list[Candidate]:
    """Where the hands of the last image were."""
    return [Candidate(h.box, h.side_logit, side) for side, h in state.held.items()]


def new_candidates(state: TrackState, detections: Sequence[Detection]) -> list[Candidate]:
    """Of a search's detections those for hands that are not followed yet; notes the search."""
    state.images_to_search = state.settings.detect_every
    held = list(state.held.values())
    partner = held[0].box if held else None
    free = [d for d in detections if not any(_same(d.box, h.box) for h in held)]
    return choose(free, state.most_places, partner)


def new_boxes(state: TrackState, given: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Of boxes (4,) given from outside those where no hand is followed yet."""
    return [b for b in given if not any(_same(b, h.box) for h in state.held.values())]


def keep_sides(state: TrackState, seen: dict[str, Sighting]) -> dict[str, Sighting]:
    """Undo an exchange of right and left between two images; hands cannot do that."""
    if len(seen) < 2 or len(state.held) < 2 or not _exchanged(state.held, seen):
        state.swaps = 0
        return seen
    state.swaps += 1
    if state.swaps > _SWAPS_BELIEVED:
        return seen
    right, left = seen["right"], seen["left"]
    return {"right": replace(left, side="right"), "left": replace(right, side="left")}


def learn_size(
    state: TrackState,
    by_size: Mapping[str, RootDepth],
    by_image: Mapping[str, RootDepth],
    scale: HandScale,
) -> None:
    """Compare an image's depths by hand size with those by a depth image, by side."""
    if state.settings.learn_hand_size:
        for side in by_size.keys() & by_image.keys():
            state.size_learner.compare(by_size[side], by_image[side], scale, state.scale)


def update(state: TrackState, seen: Mapping[str, Sighting]) -> None:
    """Take what the image showed as the start for the next."""
    state.images_to_search -= 1
    if state.held.keys() - seen.keys():
        # Not in the very next image: hands that cross are lost and found for a moment.
        state.images_to_search = _IMAGES_AFTER_LOSS
    readings = {id(s.reading) for s in seen.values()}
    state.together = len(seen) == 2 and len(readings) == 1
    state.held = {side: _hold(state.held.get(side), sighting) for side, sighting in seen.items()}
    state.filters = {side: f for side, f in state.filters.items() if side in seen}


def smooth(
    state: TrackState, side: str, m: Measurement, depth: RootDepth | None, stamp_s: float
) -> tuple[Measurement, RootDepth | None]:
    """A hand's measurement and wrist depth, filtered over time."""
    hand_filter = state.filters.setdefault(side, HandFilter())
    return (
        hand_filter.measurement(m, stamp_s, state.settings, state.scale),
        hand_filter.wrist(depth, stamp_s, state.settings, state.scale),
    )


def _hold(before: HeldHand | None, sighting: Sighting) -> HeldHand:
    logit = sighting.side_logit
    if before is not None:
        logit = before.side_logit + _SIDE_MEMORY * (logit - before.side_logit)
    limited = float(np.clip(logit, -_SIDE_LIMIT, _SIDE_LIMIT))
    return HeldHand(sighting.box, sighting.joints_2d, limited)


def _exchanged(held: Mapping[str, HeldHand], seen: Mapping[str, Sighting]) -> bool:
    def distance(a: str, b: str) -> float:
        gap = seen[a].joints_2d - held[b].joints_2d
        return float(np.linalg.norm(gap, axis=1).mean())

    straight = distance("right", "right") + distance("left", "left")
    crossed = distance("right", "left") + distance("left", "right")
    return crossed < _SWAP_RATIO * straight


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return boxes.iou(boxes.square(a), boxes.square(b)) > SAME_HAND_IOU
