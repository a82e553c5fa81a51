# SPDX-License-Identifier: Apache-2.0
"""A hand that is lost for a moment stays where it was, with less and less confidence."""

from dataclasses import replace

from digit_core.hands import Hand, TwoHands
from digit_core.skeleton import SIDES


class Hold:
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

    def _held(self, side: str, stamp_s: float, hold_s: float) -> Hand | None:
        at, hand = self._last.get(side, (stamp_s, None))
        if hand is None or not 0.0 <= stamp_s - at < hold_s:
            self._last.pop(side, None)
            return None
        return replace(hand, confidence=hand.confidence * (1.0 - (stamp_s - at) / hold_s))
