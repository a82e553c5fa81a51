# SPDX-License-Identifier: Apache-2.0
"""What teachers look at: a picture whole, in tiles, and close about each place of a hand."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from digit_core import boxes
from digit_core.skeleton import SIDES
from training.default_weights.photo_views import View

#: Whole pictures: the view's side over the picture's longer one, and whether it is mirrored.
_WHOLE = ((1.0, False), (1.0, True), (1.35, False))
_WHOLE_PX, _CLOSE_PX = 640, 320
#: Tiles for hands far away: share of each side, and the places of their middles.
_TILE, _MIDDLES = 0.62, ((0.31, 0.31), (0.69, 0.31), (0.31, 0.69), (0.69, 0.69))
#: Crops about a hand, in rounds: side over the hand's extent, turn in degrees, mirrored.
CLOSE = (
    ((2.0, 0, False), (2.6, 0, True), (2.0, 25, True), (2.6, -25, False), (1.6, 0, True)),
    ((1.6, 15, False), (3.4, 0, False), (2.3, -50, True), (2.3, 50, False), (3.4, -15, True)),
)


@dataclass(frozen=True)
class Look:
    """One view to look at.

    Attributes:
        view: of the picture.
        low: whatever may be a hand is asked for, else what is sure enough to be told.
        close: the view is laid about one hand; its box is the middle `1 / close` of it.
        first: the picture as it is, in one pass.
    """

    view: View
    low: bool = False
    close: float | None = None
    first: bool = False


@dataclass(frozen=True)
class Sighting:
    """A hand that a teacher saw in a view.

    Attributes:
        side: "right" or "left", the person's own.
        joints: (21, 2) pixels of the picture, public joint order; NaN where not told.
        view: number of the view, and so of the vote; no two views of a picture share one.
        first: seen in the picture as it is, in one pass.
        low: told when asked for whatever may be a hand.
        world: (21, 3) metres, camera axes x right, y down, z away; None where not told.
    """

    side: str
    joints: np.ndarray
    view: int = 0
    first: bool = False
    low: bool = False
    world: np.ndarray | None = None

    @property
    def extent(self) -> float:
        """Longer side of the joints' box, pixels; at least 1."""
        return max(float(boxes.tight(self.joints)[2:].max()), 1.0)


def turned(degrees: float, mirrored: bool) -> np.ndarray:
    """(2, 2) from a view's axes to the picture's."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s], [s, c]]) @ np.diag([-1.0 if mirrored else 1.0, 1.0])


def whole_looks(width: int, height: int) -> list[Look]:
    """Views that show all of a picture of width x height pixels, and tiles of it.

    All but the first ask for whatever may be a hand.
    """
    longer, middle = max(width, height), (np.array([width, height]) - 1) / 2
    looks: list[Look] = []
    for share, mirrored in _WHOLE:
        size = min(_WHOLE_PX, round(share * longer))
        view = View(middle, share * longer, turned(0, mirrored), max(size, 64))
        looks.append(Look(view, low=bool(looks), first=not looks))
    for place in _MIDDLES:
        side = _TILE * longer
        centre = np.array(place) * (width, height) - 0.5
        # The tiles of a long picture keep inside of its shorter side.
        view = View(centre, side, turned(0, False), max(min(_WHOLE_PX // 2, round(side)), 64))
        looks.append(Look(view, low=True))
    return looks


def close_looks(joints: np.ndarray, round_: int) -> list[Look]:
    """Crops about joints (21, 2), turned and mirrored; those of a round of `CLOSE`."""
    box = boxes.tight(joints)
    centre, extent = box[:2] + box[2:] / 2, max(float(box[2:].max()), 8.0)
    return [
        Look(View(centre, margin * extent, turned(angle, mirrored), _CLOSE_PX), close=margin)
        for margin, angle, mirrored in CLOSE[round_]
    ]


def as_seen(
    look: Look,
    number: int,
    side: str,
    joints: Sequence | np.ndarray,
    world: Sequence | np.ndarray | None = None,
) -> Sighting:
    """What was seen in a view, told of the picture: turned back, a mirrored hand's side exchanged.

    Args:
        look: the view.
        number: of the view.
        side: as it looks in the view.
        joints: (21, 2) view pixels.
        world: (21, 3) metres, the view's axes.
    """
    view = look.view
    own = SIDES[1 - SIDES.index(side)] if view.mirrored else side
    back = None
    if world is not None:
        back = np.array(world, np.float64)
        back[:, :2] = back[:, :2] @ view.turn.T
    return Sighting(
        own, view.to_photo(np.asarray(joints, np.float64)), number, look.first, look.low, back
    )


def numbered(looks: Iterable[Look], start: int) -> list[tuple[int, Look]]:
    """Looks with the numbers of their views, from `start` on."""
    return list(enumerate(looks, start))
