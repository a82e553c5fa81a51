# SPDX-License-Identifier: Apache-2.0
"""Two hands: which crops to look at, and whose hands were seen in them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from digit_core import boxes
from digit_core.crop import MARGIN, Crop
from digit_core.decode import Reading
from digit_core.skeleton import SIDES

#: So many places of an image are looked at, at most.
MOST_LOOKS = 4
#: Two hands share one crop where one's square box, grown so much, reaches the other's box.
TOGETHER_MARGIN = 1.25
#: Two sets of joints nearer to each other than this share of a hand's box are one hand ...
COINCIDENT = 0.25
#: ... unless the network is this sure of both (palms together, seen from the side).
BOTH_SURE = 0.9
#: Of two hands in one crop the smaller fills at least this share of the larger one's extent.
COMPARABLE = 0.25
#: Two of one person's hands have different sides: e-folds of evidence for that.
OTHER_SIDE_LOGIT = 2.3
_LOGIT_LIMIT = 6.0
#: Least side of a hand's box over that of the place that was looked at.
_LEAST_ALONE, _LEAST_TOGETHER = 0.5, 0.2


@dataclass(frozen=True)
class Candidate:
    """A place to look for a hand.

    Attributes:
        box: (4,) about the joints, image pixels.
        side_logit: log-odds of right over left known beforehand; 0 is not known.
        side: the side of a hand that is followed, None of a place newly found.
        weight: what is preferred where there are more places than hands; at most 1.
    """

    box: np.ndarray
    side_logit: float = 0.0
    side: str | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Look:
    """One crop to look at: around one candidate, or around two that are together."""

    crop: Crop
    candidates: tuple[Candidate, ...]

    @property
    def side_logit(self) -> float:
        """Log-odds of right over left for a single hand in it; two candidates say nothing."""
        return self.candidates[0].side_logit if len(self.candidates) == 1 else 0.0

    @property
    def weight(self) -> float:
        """The larger weight of its candidates."""
        return max(c.weight for c in self.candidates)


@dataclass(frozen=True)
class Sighting:
    """A hand that was seen.

    Attributes:
        side: "right" or "left".
        confidence: probability that this hand is there, by the weights' calibration.
        channel: which of the reading's two hands it is: 0 right, 1 left.
        reading: the network's answer for its crop.
        side_logit: evidence for its side being right, over left.
        expected: the crop was meant for this side; a hand at another's edge is second choice.
        alone: the crop was laid about this hand alone.
        weight: of the crop.
    """

    side: str
    confidence: float
    channel: int
    reading: Reading
    side_logit: float
    expected: bool = True
    alone: bool = True
    weight: float = 1.0

    @property
    def joints_2d(self) -> np.ndarray:
        """(21, 2) image pixels."""
        return np.asarray(self.reading.joints_2d[self.channel])

    @property
    def box(self) -> np.ndarray:
        """(4,) box of the joints, image pixels; not much smaller than what was looked at.

        Joints that collapse would else make a smaller crop, which shows less, and so on.
        """
        tight = boxes.tight(self.joints_2d)
        least = _LEAST_ALONE if self.alone else _LEAST_TOGETHER
        side = least * self.reading.crop.side / MARGIN
        if tight[2:].max() >= side:
            return tight
        return np.concatenate([tight[:2] + (tight[2:] - side) / 2, [side, side]])


def are_together(a: np.ndarray, b: np.ndarray, margin: float = TOGETHER_MARGIN) -> bool:
    """Whether one of two boxes (4,), squared and grown by `margin`, would show the other."""
    return (
        boxes.overlap_area(boxes.square(a, margin), b) > 0
        or boxes.overlap_area(a, boxes.square(b, margin)) > 0
    )


def plan(candidates: Sequence[Candidate], margin: float = TOGETHER_MARGIN) -> list[Look]:
    """One crop for each candidate, or one around both where the two are together.

    Places newly found are looked at one by one: which of them are hands is not known yet.
    """
    known = len(candidates) == 2 and all(c.side for c in candidates)
    if known and are_together(candidates[0].box, candidates[1].box, margin):
        both = boxes.union(candidates[0].box, candidates[1].box)
        return [Look(Crop.around(both), tuple(candidates))]
    return [Look(Crop.around(c.box), (c,)) for c in candidates]


def plan_again(sightings: Mapping[str, Sighting], margin: float = TOGETHER_MARGIN) -> list[Look]:
    """The crops for a second look, from the joints of the first."""
    return plan([Candidate(s.box, s.side_logit, s.side) for s in sightings.values()], margin)


def resolve(
    seen: Sequence[tuple[Look, Reading]], thresholds: Mapping[str, float]
) -> dict[str, Sighting]:
    """Decide which hands the crops of one image show.

    Args:
        seen: each look with its reading.
        thresholds: least confidence, by side.

    Returns:
        At most one sighting a side, right first; no hand twice.
    """
    found = [s for look, reading in seen for s in _in_crop(look, reading, thresholds)]
    found.sort(key=lambda s: (not s.expected, -s.weight * s.confidence))
    if not found:
        return {}
    first = found[0]
    for other in found[1:]:
        if not _is_twin(first, other) and (pair := _of_two_sides(first, other, thresholds)):
            return {s.side: s for s in pair}
    return {first.side: first}


def _of_two_sides(
    a: Sighting, b: Sighting, thresholds: Mapping[str, float]
) -> tuple[Sighting, Sighting] | None:
    """Two hands as a right and a left one, in this order; None where that cannot be.

    Who is surest of its side keeps it.
    """
    if a.side == b.side:
        sure, other = sorted((a, b), key=lambda s: -abs(s.side_logit))
        other = _other_side(other)
        if other.confidence < thresholds[other.side]:
            return None
        a, b = sure, other
    return (a, b) if a.side == SIDES[0] else (b, a)


def _in_crop(look: Look, reading: Reading, thresholds: Mapping[str, float]) -> list[Sighting]:
    if not (np.isfinite(reading.presence_logit).all() and np.isfinite(reading.joints_2d).all()):
        return []
    p = sigmoid(reading.hand_logit)
    if _shows_both(reading, p, thresholds):
        return [_one_of_both(look, reading, i, float(p[i])) for i in (0, 1)]
    sighting = _single(look, reading, p)
    return [sighting] if sighting.confidence >= thresholds[sighting.side] else []


def _shows_both(reading: Reading, p: np.ndarray, thresholds: Mapping[str, float]) -> bool:
    if not all(p[i] >= thresholds[side] for i, side in enumerate(SIDES)):
        return False
    sizes = [boxes.tight(joints)[2:].max() for joints in reading.joints_2d]
    if min(sizes) < COMPARABLE * max(sizes):
        return False
    return bool(p.min() >= BOTH_SURE) or not coincident(*reading.joints_2d)


def _one_of_both(look: Look, reading: Reading, channel: int, p: float) -> Sighting:
    side = SIDES[channel]
    logit = float(np.clip(reading.presence_logit[channel], 0, _LOGIT_LIMIT))
    expected = _is_expected(look, reading, channel)
    signed = logit if channel == 0 else -logit
    alone = len(look.candidates) == 1
    return Sighting(side, p, channel, reading, signed, expected, alone, look.weight)


def _is_expected(look: Look, reading: Reading, channel: int) -> bool:
    """Whether a crop was laid for the hand of a channel; another's hand at its edge is not it.

    At a place newly found it is the hand that fills the place better.
    """
    place = look.candidates[0]
    if len(look.candidates) == 1 and place.side is None:
        fit = [boxes.iou(boxes.square(boxes.tight(j)), place.box) for j in reading.joints_2d]
        return fit[channel] >= fit[1 - channel]
    return any(c.side in (SIDES[channel], None) for c in look.candidates)


def _single(look: Look, reading: Reading, p: np.ndarray) -> Sighting:
    """The one hand in a crop: its joints by the network, its side by all evidence."""
    channel = int(np.argmax(p))
    gap = float(reading.presence_logit[0] - reading.presence_logit[1])
    logit = float(np.clip(gap, -_LOGIT_LIMIT, _LOGIT_LIMIT)) + look.side_logit
    side = SIDES[0] if logit >= 0 else SIDES[1]
    confidence = float(p[channel])
    if SIDES[channel] != side:
        confidence *= float(sigmoid(abs(logit)))
    alone = len(look.candidates) == 1
    return Sighting(side, confidence, channel, reading, logit, alone=alone, weight=look.weight)


def _other_side(sighting: Sighting) -> Sighting:
    """The sighting as the free side's hand, as far as its evidence allows."""
    side = SIDES[1 - SIDES.index(sighting.side)]
    against = abs(sighting.side_logit) - OTHER_SIDE_LOGIT
    confidence = sighting.confidence * float(sigmoid(-against))
    logit = math.copysign(1.0, sighting.side_logit) * against
    return replace(sighting, side=side, confidence=confidence, side_logit=logit)


def _is_twin(a: Sighting, b: Sighting) -> bool:
    """Whether two sightings of different crops are one hand."""
    return a.reading is not b.reading and coincident(a.joints_2d, b.joints_2d)


def coincident(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two hands' joints (21, 2) in pixels lie on each other."""
    size = (boxes.tight(a)[2:].max() + boxes.tight(b)[2:].max()) / 2
    distance = np.linalg.norm(a - b, axis=1).mean()
    return bool(distance < COINCIDENT * size)


def sigmoid(x: np.ndarray | float) -> np.ndarray:
    """Logistic function, any shape."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(x, dtype=np.float64)))
