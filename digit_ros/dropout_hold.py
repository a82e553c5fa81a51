# SPDX-License-Identifier: Apache-2.0
"""A hand that is lost for a moment stays where it was, with less and less confidence."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from digit_core.hands import DepthSource, Hand, TwoHands
from digit_core.plain import array_of, number_of, plain
from digit_core.skeleton import NUM_JOINTS, SIDES

_SHAPES = {
    "joints_2d": (NUM_JOINTS, 2),
    "joints_relative": (NUM_JOINTS, 3),
    "joints_3d": (NUM_JOINTS, 3),
    "joint_confidence": (NUM_JOINTS,),
    "joint_sigma_px": (NUM_JOINTS,),
    "box": (4,),
    "wrist_orientation": (4,),
}


class DropoutHold:
    """Remembers the last sight of each hand of one stream."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._last: dict[str, tuple[float, Hand]] = {}

    def reset(self) -> None:
        """Forget both hands."""
        self._last = {}

    def __call__(self, hands: TwoHands, stamp_s: float, hold_s: float) -> TwoHands:
        """The hands, those lost less than `hold_s` ago in their last place.

        A held hand's confidence falls to 0 over `hold_s`; `raw` stays what was seen.
        """
        for hand in hands:
            self._last[hand.side] = (stamp_s, hand)
        held = {side: self._held(side, stamp_s, hold_s) for side in SIDES}
        seen = {hand.side: hand for hand in hands}
        if not any(held[side] and side not in seen for side in SIDES):
            return hands
        right, left = (seen.get(side) or held[side] for side in SIDES)
        return TwoHands(
            right, left, lambda: hands.segmentation, hands.timings_ms, lambda: hands.raw or hands
        )

    def to_dict(self) -> dict[str, Any]:
        """What is remembered, as plain numbers."""
        return {side: {"seen_s": at, **_to_dict(hand)} for side, (at, hand) in self._last.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "DropoutHold":
        """The memory that `to_dict` told.

        Raises:
            ValueError: the values are not those of hands; the sentence says which.
        """
        made = cls()
        try:
            for side in values:
                row = values[side]
                made._last[side] = (number_of(row["seen_s"], "seen_s"), _from_dict(side, row))
        except KeyError as error:
            raise ValueError(f"held hands: {error} is missing") from error
        except (TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"held hands: {error}") from error
        return made

    def _held(self, side: str, stamp_s: float, hold_s: float) -> Hand | None:
        at, hand = self._last.get(side, (stamp_s, None))
        if hand is None or not 0.0 <= stamp_s - at < hold_s:
            self._last.pop(side, None)
            return None
        return replace(hand, confidence=hand.confidence * (1.0 - (stamp_s - at) / hold_s))


def _to_dict(hand: Hand) -> dict[str, Any]:
    arrays = {name: getattr(hand, name) for name in _SHAPES}
    return {
        **{name: None if array is None else plain(array) for name, array in arrays.items()},
        "confidence": plain(hand.confidence),
        "valid": hand.valid.tolist(),
        "depth_source": int(hand.depth_source),
        "depth_sigma": plain(hand.depth_sigma),
    }


def _from_dict(side: str, values: Mapping[str, Any]) -> Hand:
    if side not in SIDES:
        raise ValueError(f"side {side!r}: expected one of {', '.join(SIDES)}")
    arrays: dict[str, Any] = {
        name: array_of(values[name], shape, name).astype(np.float32)
        for name, shape in _SHAPES.items()
        if values[name] is not None
    }
    return Hand(
        side=side,
        confidence=number_of(values["confidence"], "confidence"),
        valid=array_of(values["valid"], (NUM_JOINTS,), "valid").astype(bool),
        depth_source=DepthSource(values["depth_source"]),
        depth_sigma=number_of(values["depth_sigma"], "depth_sigma"),
        **{"joints_3d": None, **arrays},
    )
