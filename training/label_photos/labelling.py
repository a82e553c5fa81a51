# SPDX-License-Identifier: Apache-2.0
"""One picture to its labels: look, look closer where a hand may be, vote."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from digit_core import boxes
from training.label_photos.looks import CLOSE, Look, Sighting, close_looks, numbered, whole_looks
from training.label_photos.vote import Result, VotedHand, places, vote

#: So many places of a picture are looked at closely, those that most views agree on first.
_MOST_PLACES = 4


class Teacher(Protocol):
    """Tells the hands in views of a picture."""

    def see(self, image: np.ndarray, looks: Sequence[tuple[int, Look]]) -> list[Sighting]:
        """Hands in views of an image (H, W, 3) uint8 RGB; each look comes with its number."""

    def close(self) -> None:
        """End what it started."""


class Labeller:
    """Labels pictures, one at a time.

    Args:
        teachers: who vote.
        doubter: looks at pictures in which they see nothing; what it sees leaves them undecided.
    """

    def __init__(self, teachers: Sequence[Teacher], doubter: Teacher) -> None:
        self._teachers, self._doubter = teachers, doubter

    def label(self, image: np.ndarray) -> Result:
        """Vote on the hands of an image (H, W, 3) uint8 RGB."""
        height, width = image.shape[:2]
        whole = whole_looks(width, height)
        seen, count = self._seen(image, whole, 0)
        if not seen and self._doubter not in self._teachers:
            doubts = self._doubter.see(image, numbered(whole, count))
            return Result([], places(doubts), not doubts)
        wanted = places(seen)[:_MOST_PLACES]
        result = vote(seen, width, height)
        for round_ in range(len(CLOSE)):
            if not wanted:
                break
            looks = [look for joints in wanted for look in close_looks(joints, round_)]
            more, count = self._seen(image, looks, count)
            seen += more
            result = vote(seen, width, height)
            wanted = result.undecided[:_MOST_PLACES]
        return result

    def close(self) -> None:
        """End what the teachers started."""
        for teacher in self._teachers:
            teacher.close()

    def _seen(
        self, image: np.ndarray, looks: Sequence[Look], count: int
    ) -> tuple[list[Sighting], int]:
        """Sightings of all teachers, and the number of views so far; each teacher's are its own."""
        seen: list[Sighting] = []
        for teacher in self._teachers:
            seen += teacher.see(image, numbered(looks, count))
            count += len(looks)
        return seen, count


def entry(result: Result, scale: float, width: int, height: int) -> dict[str, Any]:
    """What labels.json holds of a picture shown in width x height pixels.

    Args:
        result: of the vote.
        scale: pixels shown for each pixel voted on.
        width, height: of the picture that is kept.
    """
    hands = [_hand(hand, scale) for hand in result.hands]
    return {"width": width, "height": height, "complete": result.complete, "hands": hands}


def _hand(hand: VotedHand, scale: float) -> dict[str, Any]:
    joints = (hand.joints + 0.5) * scale - 0.5
    told: dict[str, Any] = {
        "side": hand.side,
        "bbox": boxes.tight(joints).round(1).tolist(),
        "keypoints_2d": joints.round(1).tolist(),
        "sure": hand.sure.astype(int).tolist(),
    }
    if hand.world is not None:
        told["world"] = hand.world.round(4).tolist()
    return told | {
        "support": hand.support,
        "spread": round(hand.spread, 4),
        "plain": hand.plain,
    }
