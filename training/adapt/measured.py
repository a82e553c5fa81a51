# SPDX-License-Identifier: Apache-2.0
"""How weights do on labelled photos of one's own, before and after."""

import math
from collections.abc import Sequence

from digit_core import DigitEstimator
from digit_core.weights import Networks
from training.default_weights.photo_scores import Result, by_category, score_photo
from training.default_weights.photos import Photo

#: Figures of the table: name in the scores, what it is, and whether more is better.
ROWS = (
    ("hands", "labelled hands", None),
    ("found", "found", True),
    ("pck", "joints within 0.2 of the hand", True),
    ("side_right", "side right", True),
    ("hand_right", "hand right", True),
    ("both_right", "both hands right", True),
    ("none_told", "nothing told where no hand is", True),
    ("too_many", "hands too many", False),
)
#: What tells whether the weights got worse, and by how much more than by chance.
_DECISIVE, _SLACK = ("hand_right", "none_told"), 0.005


def measure(networks: Networks, photos: Sequence[Photo]) -> dict[str, float]:
    """Figures of `photo_scores` over photos, each with labelled hands or known to have none."""
    estimator = DigitEstimator(networks)
    results: list[Result] = []
    for photo in photos:
        hands = list(estimator(photo.image))
        results.append((photo, hands, score_photo(photo, hands)))
    return by_category(results)["all"]


def table(before: dict[str, float], after: dict[str, float]) -> str:
    """Both, a figure in each row; "-" where nothing was to be measured."""
    lines = [f"{'':<32}{'before':>8}{'after':>8}"]
    for key, name, _ in ROWS:
        lines.append(f"{name:<32}{_cell(before[key]):>8}{_cell(after[key]):>8}")
    return "\n".join(lines)


def worse(before: dict[str, float], after: dict[str, float]) -> list[str]:
    """What got worse, in words; empty where nothing that decides did."""
    names = {key: name for key, name, _ in ROWS}
    return [
        f"{names[key]} {after[key]:.3f} instead of {before[key]:.3f}"
        for key in _DECISIVE
        if after[key] < before[key] - _SLACK
    ]


def _cell(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return "-" if math.isnan(value) else f"{value:.3f}"
