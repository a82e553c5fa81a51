# SPDX-License-Identifier: Apache-2.0
"""`TrackState`: all that is known of one stream between two of its images."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from digit_core.hand_size import HandScale
from digit_core.one_euro import OneEuroSettings
from digit_core.plain import array_of, number_of, plain
from digit_core.settings import Settings
from digit_core.size_learner import SizeLearner
from digit_core.skeleton import NUM_JOINTS, SIDES
from digit_core.smoothing import HandFilter

#: Places looked at in one search of a stream.
MOST_NEW = 3


@dataclass(frozen=True, eq=False)
class HeldHand:
    """A hand as it was last seen.

    Attributes:
        box: (4,) about its joints, image pixels.
        joints_2d: (21, 2) image pixels.
        side_logit: log-odds of right over left, over the last images.
    """

    box: np.ndarray
    joints_2d: np.ndarray
    side_logit: float

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        joints = plain(self.joints_2d)
        return {"box": plain(self.box), "joints_2d": joints, "side_logit": self.side_logit}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "HeldHand":
        """The hand that `to_dict` told.

        Raises:
            ValueError, KeyError: the values are not those of a hand.
        """
        box = array_of(values["box"], (4,), "box", finite=True)
        if box[2:].min() < 0 or box[2:].max() == 0:
            raise ValueError("box: expected width and height of at least 0, one of them more")
        joints = array_of(values["joints_2d"], (NUM_JOINTS, 2), "joints_2d", finite=True)
        logit = array_of(values["side_logit"], (), "side_logit", finite=True)
        return cls(box, joints, float(logit))


@dataclass(eq=False)
class TrackState:
    """One stream's state; `DigitEstimator.run` updates it in place.

    Not for two streams, and not for two threads at once.

    Attributes:
        settings: tuning; may be replaced between images.
        scale: the hands' size as it was given; may be replaced between images.
        most_places: places looked at in one search.
        held: side to the hand as the last image showed it.
        filters: side to its filters over time.
        size_learner: the hands' size, learned from depth images.
        stamp_s: time of the last image, seconds; None before the first.
        together: both hands were seen in one crop.
        swaps: images in a row in which the network exchanged the sides.
        images_to_search: images until the other hand is searched while one is followed.
    """

    settings: Settings = field(default_factory=Settings)
    scale: HandScale = field(default_factory=HandScale)
    most_places: int = MOST_NEW
    held: dict[str, HeldHand] = field(default_factory=dict)
    filters: dict[str, HandFilter] = field(default_factory=dict)
    size_learner: SizeLearner = field(default_factory=SizeLearner)
    stamp_s: float | None = None
    together: bool = False
    swaps: int = 0
    images_to_search: int = 0

    @property
    def known_scale(self) -> HandScale:
        """The hands' size as far as it is known: learned from depth images, or as given."""
        learned = self.size_learner.scale if self.settings.learn_hand_size else None
        return learned or self.scale

    def reset(self) -> None:
        """Forget everything seen, as at the start of another recording, but the hands' size."""
        self.held, self.filters = {}, {}
        self.stamp_s, self.together = None, False
        self.swaps = self.images_to_search = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers that JSON can hold; `from_dict` makes the same state, to the last bit."""
        return {
            "settings": asdict(self.settings),
            "scale": asdict(self.scale),
            "most_places": self.most_places,
            "held": {side: hand.to_dict() for side, hand in self.held.items()},
            "filters": {side: one.to_dict() for side, one in self.filters.items()},
            "size_learner": self.size_learner.to_dict(),
            "stamp_s": self.stamp_s,
            "together": self.together,
            "swaps": self.swaps,
            "images_to_search": self.images_to_search,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrackState":
        """The state that `to_dict` told.

        Raises:
            ValueError: the values are not those of a state; the sentence says which.
        """
        try:
            return cls(**_fields(values))
        except KeyError as error:
            raise ValueError(f"track state: {error} is missing") from error
        except (TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"track state: {error}") from error


def _fields(values: Mapping[str, Any]) -> dict[str, Any]:
    stamp_s = values["stamp_s"]
    return {
        "settings": _settings(values["settings"]),
        "scale": HandScale(**values["scale"]),
        "most_places": _whole(values, "most_places"),
        "held": {_side(side): HeldHand.from_dict(v) for side, v in values["held"].items()},
        "filters": {_side(side): HandFilter.from_dict(v) for side, v in values["filters"].items()},
        "size_learner": SizeLearner.from_dict(values["size_learner"]),
        "stamp_s": None if stamp_s is None else number_of(stamp_s, "stamp_s"),
        "together": bool(values["together"]),
        "swaps": _whole(values, "swaps"),
        "images_to_search": _whole(values, "images_to_search"),
    }


def _settings(values: Mapping[str, Any]) -> Settings:
    filters = {
        name: OneEuroSettings(**values[name]) for name in ("position_filter", "depth_filter")
    }
    return Settings(**{**values, **filters})


def _side(name: str) -> str:
    if name not in SIDES:
        raise ValueError(f"side {name!r}: expected one of {', '.join(SIDES)}")
    return name


def _whole(values: Mapping[str, Any], name: str) -> int:
    value = values[name]
    if not isinstance(value, int):
        raise ValueError(f"{name}: expected a whole number")
    return value
