# SPDX-License-Identifier: Apache-2.0
"""What every network of this package returns, before and after decoding."""

from typing import NamedTuple

from torch import Tensor


class DigitOutput(NamedTuple):
    """Raw answer of a hand network for a batch of B crops of 256x256 pixels.

    Joints are in network order (right hand 0-20, left 21-41, fingertip to base, wrist last).
    One heatmap cell is 4x4 crop pixels; cell k of a heatmap counts as k + 0.5.

    Attributes:
        heatmaps: (B, 42, 64, 64) joint scores before the softmax.
        joints_25d: (B, 42, 3) x, y and root-relative depth, each in [0, 64] cells; the depth's
            64 cells span 400 mm around the wrist of the joint's own hand.
        root_depth: (B, 1) left wrist's depth minus the right wrist's, 64 bins over 400 mm.
        hand_logits: (B, 2) logits that the right and the left hand are there.
        part_logits: (B, 33, 128, 128) logits of the part labels.
    """

    heatmaps: Tensor
    joints_25d: Tensor
    root_depth: Tensor
    hand_logits: Tensor
    part_logits: Tensor


class Heads(NamedTuple):
    """The last layers' answers for a batch of B crops, before anything is decoded.

    `Network.heads` gives them and `Network.answer` makes a `DigitOutput` of them; what lies between
    the two needs no more than 16 bits, what lies behind does.

    Attributes:
        heatmaps: (B, 42, h, w) joint scores.
        depth: (B, 42, ...) depth maps.
        root: (B, 64) scores of the root depth's bins, or (B, 1) the root depth itself.
        hands: (B, 2) presence logits.
        parts: (B, 33, ...) part logits.
    """

    heatmaps: Tensor
    depth: Tensor
    root: Tensor
    hands: Tensor
    parts: Tensor
