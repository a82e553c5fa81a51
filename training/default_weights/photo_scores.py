# SPDX-License-Identifier: Apache-2.0
"""How hands told of labelled pictures score, by category, with intervals.

Each labelled hand is matched with the predicted hand of least mean distance, one to one. PCK@0.2
is the share of joints within 0.2 of the labelled box's longer side; a hand that was missed counts
21 wrong joints. It comes in two kinds: of hands wherever found, whatever side was told; and with a
hand of the wrong side counted as missed. A hand is right when its side is right and at least 18
of its joints are within. Of a picture of two hands both are right, or not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from digit_core import Hand
from training.default_weights.photos import Photo
from training.default_weights.reliability import curve, expected_error

PCK_SHARE = 0.2
JOINTS_OF_A_RIGHT_HAND = 18
#: Resamplings behind an interval, and its ends.
_RESAMPLINGS, _ENDS = 2000, (0.025, 0.975)


@dataclass(frozen=True)
class Told:
    """A hand that another program reported: side and joints (21, 2) in pixels."""

    side: str
    joints_2d: np.ndarray


@dataclass(frozen=True)
class Score:
    """How one labelled hand fared.

    Attributes:
        found: a predicted hand was matched with it.
        within: (21,) bool, joints near enough.
        side_right: the matched hand has its side.
    """

    found: bool
    within: np.ndarray
    side_right: bool

    @property
    def right(self) -> bool:
        """Side right and nearly all joints within."""
        return bool(self.side_right and self.within.sum() >= JOINTS_OF_A_RIGHT_HAND)


MISSED = Score(False, np.zeros(21, bool), False)
#: A photo, the hands that were told, and how its labelled ones fared.
Result = tuple[Photo, list[Hand] | list[Told], list[Score]]


def score_photo(photo: Photo, hands: Iterable[Hand | Told]) -> list[Score]:
    """Scores of a photo's labelled hands, in their order."""
    predicted = list(hands)
    distance = {
        (i, j): float(np.nanmean(np.linalg.norm(hand.joints_2d - label.joints, axis=1)))
        for (i, label), (j, hand) in product(enumerate(photo.hands), enumerate(predicted))
    }
    scores = [MISSED] * len(photo.hands)
    while distance:
        i, j = min(distance, key=lambda pair: distance[pair])
        label, hand = photo.hands[i], predicted[j]
        error = np.linalg.norm(hand.joints_2d - label.joints, axis=1)
        within = error <= PCK_SHARE * label.extent  # NaN is not within
        scores[i] = Score(True, within, hand.side == label.side)
        distance = {pair: d for pair, d in distance.items() if pair[0] != i and pair[1] != j}
    return scores


def too_many(result: Result) -> int:
    """Hands told beyond those labelled; of a picture that is not complete nobody knows: 0."""
    photo, hands, _ = result
    return max(len(hands) - len(photo.hands), 0) if photo.complete else 0


def summary(scores: Sequence[Score], false_hands: int = 0) -> dict[str, float]:
    """Figures over labelled hands; shares are of all labelled hands, missed ones included."""
    return {
        "hands": len(scores),
        "found": _share(s.found for s in scores),
        "pck": _share(s.within.mean() for s in scores),
        "pck_with_side": _share(s.within.mean() * s.side_right for s in scores),
        "side_right": _share(s.side_right for s in scores),
        "side_right_of_found": _share(s.side_right for s in scores if s.found),
        "hand_right": _share(s.right for s in scores),
        "too_many": false_hands,
    }


def by_category(results: Sequence[Result]) -> dict[str, dict[str, float]]:
    """`summary` of each category and of all, with shares of whole pictures."""
    table = {}
    for category in [*sorted({photo.category for photo, _, _ in results}), "all"]:
        rows = [r for r in results if category in (r[0].category, "all")]
        false = sum(too_many(row) for row in rows)
        table[category] = summary([s for _, _, scores in rows for s in scores], false)
        table[category] |= _of_pictures(rows)
    return table


def _of_pictures(rows: Sequence[Result]) -> dict[str, float]:
    """Shares of whole pictures: both hands right, both sides told, and none told where none is."""
    two = [r for r in rows if len(r[0].hands) == 2]
    none = [r for r in rows if r[0].complete and not r[0].hands]
    return {
        "pairs": len(two),
        "both_right": _share(all(s.right for s in scores) for _, _, scores in two),
        "both_sides": _share(len({h.side for h in hands}) == 2 for _, hands, _ in two),
        "none_told": _share(not list(hands) for _, hands, _ in none),
    }


def intervals(results: Sequence[Result], seed: int = 0) -> dict[str, dict[str, list[float]]]:
    """95 % intervals of the main figures by category: repositories drawn again with replacement.

    Pictures of one repository are alike, so that they are drawn together.
    """
    rng, table = np.random.default_rng(seed), {}
    for category in [*sorted({photo.category for photo, _, _ in results}), "all"]:
        rows = [r for r in results if category in (r[0].category, "all")]
        table[category] = {
            "pck": _interval(rng, rows, lambda r: [s.within.mean() for s in r[2]]),
            "hand_right": _interval(rng, rows, lambda r: [s.right for s in r[2]]),
            "both_right": _interval(
                rng,
                [r for r in rows if len(r[0].hands) == 2],
                lambda r: [all(s.right for s in r[2])],
            ),
        }
    return table


def _interval(rng: np.random.Generator, rows: Sequence[Result], values) -> list[float]:
    sums: dict[str, np.ndarray] = {}
    for row in rows:
        some = np.array(values(row), float)
        add = np.array([some.sum(), len(some)])
        sums[row[0].repository] = sums.get(row[0].repository, np.zeros(2)) + add
    groups = np.array([v for v in sums.values() if v[1]]).reshape(-1, 2)
    if len(groups) < 2:
        return []
    drawn = groups[rng.integers(len(groups), size=(_RESAMPLINGS, len(groups)))].sum(1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], _ENDS)
    return [float(low), float(high)]


def confidence_figures(results: Sequence[Result]) -> dict[str, float]:
    """How far our confidences can be believed: joints within one sigma, and hands' calibration.

    A told hand is there where at least half of a labelled hand's joints are within. Of pictures
    that are not complete only hands that lie on a labelled one count.
    """
    inside, told, there = [], [], []
    for photo, hands, _ in results:
        for hand in hands:
            if not isinstance(hand, Hand):
                continue
            near = [
                int(score_photo(replace(photo, hands=(h,)), [hand])[0].within.sum())
                for h in photo.hands
            ]
            hit = max(near, default=0) > 10
            if not (photo.complete or hit):
                continue
            told.append(hand.confidence)
            there.append(hit)
            if hit:  # where its joints were meant to be is known
                label = photo.hands[int(np.argmax(near))]
                off = np.abs(hand.joints_2d - label.joints)
                inside.append((off < hand.joint_sigma_px[:, None])[hand.valid].mean())
    error = expected_error(curve(np.array(told), np.array(there, float)))
    return {"joints within one sigma": float(np.mean(inside)), "hands: calibration error": error}


def _share(values: Iterable[float]) -> float:
    values = list(values)
    return float(np.mean(values)) if values else float("nan")
