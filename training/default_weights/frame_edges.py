# SPDX-License-Identifier: Apache-2.0
"""Crops that reach past the frame: hands are cut by the picture's edge, and black is beyond it.

People's hands rest at the lower edge of a webcam's picture more often than anywhere else. The
joints beyond the edge are asked for all the same, as near as the rest of the hand tells them.
"""

import torch
from torch import Tensor

from training.default_weights.losses import UNKNOWN_PART
from training.synth.draws import Draws

#: Share of crops that an edge runs through, and of those the lower, left and right edge; the rest
#: is the upper one.
_SHARE = 0.2
_LOWER, _LEFT, _RIGHT = 0.45, 0.2, 0.2
#: Where the edge runs: 0 where the hands begin, 1 where they end. A hand keeps so many joints.
_FROM, _TO, _KEPT = 0.4, 1.05, 0.45


def cut_by_frame(draws: Draws, images: Tensor, targets: dict[str, Tensor]) -> None:
    """Put black beyond an edge of some of n crops, in place; parts there are unknown.

    Args:
        draws: source of randomness.
        images: (n, 3, S, S) in 0..1, as a camera made them.
        targets: of `targets.pose_targets`.
    """
    n, size = len(images), images.shape[-1]
    xy, valid = targets["joints"][..., :2], targets["valid"]
    kind = draws.uniform(0.0, 1.0, n)
    along_x = (kind >= _LOWER) & (kind < _LOWER + _LEFT + _RIGHT)
    # Left and upper edges hide what comes before them: seen from the far side, what comes after.
    from_end = (kind >= _LOWER) & ~((kind >= _LOWER + _LEFT) & along_x)
    at = torch.where(along_x[:, None], xy[..., 0], xy[..., 1])
    at = torch.where(from_end[:, None], 1 - at, at)
    some = valid.any(1)
    first = torch.where(some, torch.where(valid, at, 1.0).amin(1), 0.0)
    last = torch.where(some, torch.where(valid, at, 0.0).amax(1), 1.0)
    edge = first + draws.uniform(_FROM, _TO, n) * (last - first)
    seen = valid & (at < edge[:, None])
    left = seen.unflatten(1, (2, 21)).float().sum(2)
    had = valid.unflatten(1, (2, 21)).float().sum(2)
    chosen = draws.chance(_SHARE, n) & (left >= _KEPT * had).all(1) & (edge < 1)
    place = (torch.arange(size, device=images.device) + 0.5) / size
    place = torch.where(from_end[:, None], 1 - place, place)
    beyond = chosen[:, None] & (place >= edge[:, None])
    beyond = torch.where(along_x[:, None, None], beyond[:, None, :], beyond[:, :, None])
    beyond = beyond.expand(n, size, size)
    images.masked_fill_(beyond[:, None], 0.0)
    cell = size // targets["parts"].shape[-1]
    targets["parts"][beyond[:, 1::cell, 1::cell]] = UNKNOWN_PART
    # A hand that nobody told of may lie beyond: its absence is not to be seen any more.
    targets["hands_known"] &= ~chosen[:, None] | (targets["hands"] > 0) | some[:, None]
    targets["visible"] &= ~chosen[:, None] | seen
