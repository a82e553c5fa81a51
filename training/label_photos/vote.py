# SPDX-License-Identifier: Apache-2.0
"""The vote: which of the hands that views saw are believed, and whether all are decided on.

Views that agree on a hand's place are taken together; the median of their joints is the label.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from digit_core import boxes
from digit_core.skeleton import SIDES
from training.label_photos.looks import Sighting

#: Views agree where the median of their joints' distances is within this share of the extent.
AGREE = 0.05
#: So many views of one side must agree ...
LEAST_VIEWS = 4
#: ... they must be this share of all that agree on the place, whatever side they tell ...
SIDE_SHARE = 0.75
#: ... and this share of the views that saw anything at that place.
PLACE_SHARE = 0.5
#: ... and this share of the number of views that were laid closely about it.
CLOSE_SHARE = 0.45
#: Sightings nearer than this share of the extent are of one hand.
_SAME_HAND = 0.3
#: A bad reading of a hand has this share of its box in the hand's, squared and grown by that.
_ON_IT, _ABOUT = 0.5, 1.2
#: A joint is sure where this share of the agreeing views has it within that share of the extent.
_SURE_SHARE, _SURE_WITHIN = 0.75, 0.1


@dataclass(frozen=True)
class VotedHand:
    """A hand that views agreed on.

    Attributes:
        side: "right" or "left", the person's own.
        joints: (21, 2) pixels, medians over the views.
        sure: (21,) bool, joints that the views agree on and that lie in the picture.
        support: views that agree.
        spread: their median distance from the label, over the hand's extent.
        plain: seen in the picture as it is, in one pass.
        world: (21, 3) metres, camera axes; None where no view told it.
    """

    side: str
    joints: np.ndarray
    sure: np.ndarray
    support: int
    spread: float
    plain: bool
    world: np.ndarray | None

    @property
    def extent(self) -> float:
        """Longer side of the joints' box, pixels."""
        return max(float(boxes.tight(self.joints)[2:].max()), 1.0)


@dataclass(frozen=True)
class Place:
    """A place where views saw a hand that they did not agree on.

    Attributes:
        joints: (21, 2) pixels, of the views that agree most.
        views: that saw anything there.
        sides: that they told.
    """

    joints: np.ndarray
    views: int
    sides: frozenset[str]


@dataclass(frozen=True)
class Result:
    """What a vote decided.

    Attributes:
        hands: believed, the right one first; at most one of each side, the larger.
        undecided: places that views saw but did not agree on.
        spare: hands that were believed but smaller than another of their side.
    """

    hands: list[VotedHand]
    undecided: list[Place] = field(default_factory=list)
    spare: int = 0

    @property
    def complete(self) -> bool:
        """Nothing but `hands` is a hand in the picture, as far as the views tell."""
        return not self.undecided and not self.spare


def vote(
    sightings: Sequence[Sighting],
    width: int,
    height: int,
    looked_at: Sequence[np.ndarray] = (),
) -> Result:
    """Decide on what the views of one picture saw.

    Args:
        sightings: all that was seen.
        width, height: of the picture, pixels.
        looked_at: (21, 2) joints that a view was laid closely about, one for each such view.
    """
    kept: list[VotedHand] = []
    undecided: list[Place] = []
    for centre, agreeing, about in _by_place(sightings):
        closely = sum(same_place(centre, joints) for joints in looked_at)
        hand = _believed(agreeing, about, closely, width, height)
        if hand is not None:
            kept.append(hand)
            continue
        undecided.append(_place(centre, about))
    kept.sort(key=lambda hand: -hand.extent)
    hands = [h for h in (_first(kept, side) for side in SIDES) if h]
    doubtful = [p for p in undecided if not any(_misread(p, hand) for hand in kept)]
    return Result(hands, doubtful, len(kept) - len(hands))


def found_places(sightings: Sequence[Sighting]) -> list[Place]:
    """Each place where a hand may be: the most agreed on first."""
    return [_place(centre, about) for centre, _, about in _by_place(sightings)]


def _place(centre: np.ndarray, about: Sequence[Sighting]) -> Place:
    return Place(centre, len({s.view for s in about}), frozenset(s.side for s in about))


def _by_place(
    sightings: Sequence[Sighting],
) -> Iterator[tuple[np.ndarray, list[Sighting], list[Sighting]]]:
    """Median joints of those that agree most, these, and all of that place; then of the rest."""
    left = list(sightings)
    while left:
        centre = _most_agreed(left)
        apart = distances(np.array([s.joints for s in left]), centre)
        agreeing = [s for s, far in zip(left, apart, strict=True) if far <= AGREE]
        about = [s for s, far in zip(left, apart, strict=True) if far <= _SAME_HAND]
        yield centre, agreeing, about
        # The middle of views need not be within reach of any of them; then nothing would end.
        gone = {id(s) for s in about or left}
        left = [s for s in left if id(s) not in gone]


def same_place(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether joints (21, 2) are so near that both are of one hand."""
    return distance(a, b) <= _SAME_HAND


def _misread(place: Place, hand: VotedHand) -> bool:
    """Whether what few views saw there is a believed hand, read badly.

    It lies on that hand, and one view saw it, or a few that tell the same side.
    """
    box = boxes.tight(place.joints)
    area = max(float(box[2] * box[3]), 1.0)
    shared = boxes.overlap_area(box, boxes.square(boxes.tight(hand.joints), _ABOUT))
    few = place.views == 1 or (place.views < LEAST_VIEWS and place.sides == {hand.side})
    return few and shared >= _ON_IT * area


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Median distance of joints (21, 2) over the larger extent; joints that are NaN do not count.

    Infinite where no joint is known in both.
    """
    return float(distances(a, b))


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`distance` of joints (..., 21, 2) of shapes that broadcast: (...)."""
    apart = np.sort(np.linalg.norm(a - b, axis=-1), axis=-1)  # NaN come last
    known = np.isfinite(apart).sum(-1)
    middle = [
        np.take_along_axis(apart, np.maximum(at, 0)[..., None], -1)[..., 0]
        for at in ((known - 1) // 2, known // 2)
    ]
    median = np.where(known > 0, (middle[0] + middle[1]) / 2, np.inf)
    return median / np.fmax(np.fmax(_extent(a), _extent(b)), 1.0)


def _extent(joints: np.ndarray) -> np.ndarray:
    """Longer sides (...) of the boxes of joints (..., 21, 2)."""
    return (np.fmax.reduce(joints, axis=-2) - np.fmin.reduce(joints, axis=-2)).max(-1)


def _most_agreed(sightings: Sequence[Sighting]) -> np.ndarray:
    """Median joints (21, 2) of the sighting that most views agree with, and of those views."""
    joints = np.array([s.joints for s in sightings])
    views = np.array([s.view for s in sightings])
    near = distances(joints[:, None], joints[None]) <= AGREE
    best = max(near, key=lambda rows: len(set(views[rows])))
    return np.nanmedian(joints[best], axis=0)


def _believed(
    agreeing: Sequence[Sighting],
    place: Sequence[Sighting],
    closely: int,
    width: int,
    height: int,
) -> VotedHand | None:
    if not agreeing:
        return None
    side = max(SIDES, key=lambda name: sum(s.side == name for s in agreeing))
    voters = [s for s in agreeing if s.side == side]
    views = len({s.view for s in voters})
    enough = (
        views >= LEAST_VIEWS
        and len(voters) >= SIDE_SHARE * len(agreeing)
        and views >= PLACE_SHARE * len({s.view for s in place})
        and views >= CLOSE_SHARE * closely
    )
    return _hand(side, voters, width, height) if enough else None


def _hand(side: str, voters: Sequence[Sighting], width: int, height: int) -> VotedHand | None:
    told = np.array([s.joints for s in voters])
    joints = np.nanmedian(told, axis=0)
    if not np.isfinite(joints).all():
        return None
    extent = max(float(boxes.tight(joints)[2:].max()), 1.0)
    with np.errstate(invalid="ignore"):
        near = np.linalg.norm(told - joints, axis=2) <= _SURE_WITHIN * extent
    inside = ((joints >= 0) & (joints <= (width - 1, height - 1))).all(1)
    spread = float(np.median(distances(told, joints)))
    worlds = [s.world for s in voters if s.world is not None]
    return VotedHand(
        side,
        joints,
        (near.mean(0) >= _SURE_SHARE) & inside,
        len({s.view for s in voters}),
        spread,
        any(s.first for s in voters),
        np.median(worlds, axis=0) if worlds else None,
    )


def _first(hands: Sequence[VotedHand], side: str) -> VotedHand | None:
    return next((hand for hand in hands if hand.side == side), None)
