# SPDX-License-Identifier: Apache-2.0
"""Where people and things stand about the hands of a picture, in batches."""

import math

import torch
from torch import Tensor

from training.synth.draws import Draws
from training.synth.meshes import NUM_THINGS, Things
from training.synth.pairs import Pairs
from training.synth.rotations import axis_angle


def random_things(draws: Draws, pairs: Pairs, centre: Tensor) -> Things:
    """Two held in the hands, one in front of them, three behind."""
    n, device = len(pairs), centre.device
    palm = pairs.arms.joints[:, :, [0, 9, 12]].mean(2)
    held = palm + draws.normal(0.0, 0.012, n, 2, 3)
    front = centre * draws.uniform(0.6, 0.85, n, 1) + draws.normal(0.0, 0.05, n, 3)
    behind = centre[:, None] * draws.uniform(1.15, 2.0, n, 3, 1) + draws.normal(0.0, 0.25, n, 3, 3)
    length = torch.nn.functional.pad(draws.uniform(1.0, 4.0, n, 2, 1), (2, 0), value=1.0)
    half = torch.cat(
        [
            draws.uniform(0.006, 0.035, n, 2, 3) * length,
            draws.uniform(0.005, 0.05, n, 1, 3),
            draws.uniform(0.02, 0.2, n, 3, 3),
        ],
        1,
    )
    cluttered = draws.chance(0.3, n, 1)
    present = torch.cat(
        [
            draws.chance(0.10, n, 2) & pairs.present,
            draws.chance(0.10, n, 1),
            cluttered & draws.chance(0.6, n, 3) & (behind[..., 2] > centre[:, None, 2] + 0.12),
        ],
        1,
    )
    k = NUM_THINGS
    axis, angle = draws.directions(n * k).view(n, k, 3), draws.uniform(0.0, math.pi, n, k)
    square = torch.where(draws.chance(0.5, n, k, 2), 1.0, 0.1)
    square = torch.where(draws.chance(0.2, n, k, 2), draws.uniform(0.1, 1.8, n, k, 2), square)
    place = torch.cat([held, front[:, None], behind], 1)
    return Things(place, half, axis_angle(axis, angle), square.to(device), present)


def random_bust_frames(draws: Draws, rotation: Tensor, centre: Tensor, alone: Tensor) -> Tensor:
    """Frames (n, 3, 4) that put a person's neck behind and above their hands, or in their place
    where the bust is `alone` (n,)."""
    n, device = len(centre), centre.device
    to_person = torch.stack(
        [draws.normal(0.0, 0.16, n), draws.uniform(-0.1, 0.45, n), draws.uniform(0.18, 0.5, n)], 1
    )
    here = draws.normal(0.0, 0.1, n, 3) - torch.tensor([0.0, 0.12, 0.0], device=device)
    to_person = torch.where(alone[:, None], here, to_person)
    place = centre + (rotation @ to_person[..., None])[..., 0]
    away = torch.where(place[:, 2] < 0.3, 3.0, 0.0)  # a camera behind the person would be inside
    return bust_frames(rotation, place + torch.nn.functional.pad(away[:, None], (2, 0)))


def bust_frames(rotation: Tensor, place: Tensor) -> Tensor:
    """Frames (n, 3, 4) of busts whose necks are at `place` (n, 3), camera frame.

    Args:
        rotation: (n, 3, 3) from the person's frame to the camera's.
        place: (n, 3) metres.
    """
    # Bust frame (x left, y back, z up) to the person's (x right, y up, z back).
    turn = rotation.new_tensor([[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
    return torch.cat([rotation @ turn, place[..., None]], 2)
