# SPDX-License-Identifier: Apache-2.0
"""One picture to its labels: look, look closer where a hand may be, vote."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from digit_core import boxes
from training.label_photos.looks import CLOSE, Look, Sighting, close_looks, numbered, whole_looks
from training.label_photos.vote import Place, Result, VotedHand, found_places, same_place, vote

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
        whole = whole_looks(image.shape[1], image.shape[0])
        seen, count = self._seen(image, whole, 0)
        result = self._closer(image, seen, count)
        if result.hands or result.undecided or self._doubter in self._teachers:
            return result
        return Result([], found_places(self._doubter.see(image, numbered(whole, count))))

    def _closer(self, image: np.ndarray, seen: list[Sighting], count: int) -> Result:
        """Look closely where a hand may be, again where the views do not agree, and vote."""
        height, width = image.shape[:2]
        result, looked_at = vote(seen, width, height), []
        wanted = [place.joints for place in found_places(seen)]
        for round_ in range(len(CLOSE)):
            wanted = wanted[:_MOST_PLACES]
            if not wanted:
                break
            looks = [look for joints in wanted for look in close_looks(joints, round_)]
            more, count = self._seen(image, looks, count)
            seen = seen + more
            times = len(CLOSE[round_]) * len(self._teachers)
            looked_at += [joints for joints in wanted for _ in range(times)]
            result = vote(seen, width, height, looked_at)
            wanted = [place.joints for place in result.undecided]
        return replace(result, undecided=[p for p in result.undecided if not _once(p, looked_at)])

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


def _once(place: Place, looked_at: Sequence[np.ndarray]) -> bool:
    """Whether one view alone saw a hand there, and none of those that looked closely."""
    return place.views == 1 and any(same_place(place.joints, joints) for joints in looked_at)


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
