# SPDX-License-Identifier: Apache-2.0
"""Random hand poses within anatomical limits: independent fingers, synergies and gestures.

Angles are degrees against the mesh's rest pose, which already bends the fingers by about 15
degrees, so that limits here are the anatomical ones less that.
"""

import math
from dataclasses import fields

import torch
from torch import Tensor

from training.synth.draws import Draws
from training.synth.hand_model import Poses

#: (base, middle, last, spread) lower and upper limits, thumb to pinky.
LOW = torch.tensor([[-24.0, -16, -22, -28]] + [[-28.0, -14, -14, -14]] * 4)
HIGH = torch.tensor([[38.0, 52, 75, 30]] + [[76.0, 98, 68, 14]] * 4)
_CURLED, _STRAIGHT = (68.0, 88, 48), (-12.0, -10, -10)
_THUMB_OPEN, _THUMB_RANGE = (-10.0, -6, -8), (32.0, 42, 60)
_FAN = (-9.0, -2.0, 5.0, 11.0)

#: Curl of (thumb, index, middle, ring, pinky) from 0 straight to 1 curled, by gesture.
GESTURES = {
    "open": (0, 0, 0, 0, 0),
    "fist": (0.8, 1, 1, 1, 1),
    "point": (0.7, 0, 1, 1, 1),
    "victory": (0.8, 0, 0, 1, 1),
    "three": (0.8, 0, 0, 0, 1),
    "four": (0.9, 0, 0, 0, 0),
    "thumb_up": (-0.2, 1, 1, 1, 1),
    "gun": (-0.1, 0, 1, 1, 1),
    "shaka": (-0.2, 1, 1, 1, 0),
    "horns": (0.8, 0, 1, 1, 0),
    "pinky": (0.8, 1, 1, 1, 0),
    "pinch": (0.55, 0.55, 0.1, 0.05, 0.0),
    "ring_pinch": (0.55, 0.55, 0.6, 0.65, 0.7),
    "grasp": (0.4, 0.45, 0.5, 0.5, 0.5),
    "relaxed": (0.2, 0.2, 0.28, 0.34, 0.4),
    "c_shape": (0.1, 0.35, 0.35, 0.35, 0.35),
}


def random_poses(draws: Draws, n: int) -> Poses:
    """Random right-hand poses.

    A third are gestures, a third bend all fingers together, a third each finger for itself.
    """
    kind = draws.kinds((0.38, 0.3, 0.32), n)[:, None]
    table = torch.tensor(list(GESTURES.values()), dtype=torch.float32, device=draws.device)
    gesture = table[draws.integers(len(table), n)] + draws.normal(0.0, 0.08, n, 5)
    together = draws.beta(0.8, 1.0, n, 1) + draws.normal(0.0, 0.13, n, 5)
    apart = draws.beta(0.45, 0.5, n, 5)
    curl = torch.where(kind == 0, gesture, torch.where(kind == 1, together, apart))
    return poses_from_curl(curl, draws)


def poses_from_curl(curl: Tensor, draws: Draws) -> Poses:
    """Poses of given curl (n, 5) thumb to pinky, with everything else drawn around it."""
    n, device = len(curl), draws.device
    c = curl[:, 1:, None] + draws.normal(0.0, 0.05, n, 4, 3)
    # A claw bends the outer joints and not the base; a table top the base alone.
    kind, strength = draws.kinds((0.72, 0.14, 0.14), n), draws.uniform(0.3, 1.0, n)
    claw = (0.7 * strength * (kind == 1))[:, None] * curl[:, 1:]
    table_top = (0.8 * strength * (kind == 2))[:, None] * curl[:, 1:]
    c = c - torch.stack([claw, table_top, table_top], 2)
    straight, curled = (torch.tensor(v, device=device) for v in (_STRAIGHT, _CURLED))
    bend = straight + c * (curled - straight)
    # Spread fans out; a bent finger cannot spread.
    fan = draws.normal(0.15, 0.55, n, 1) * torch.tensor(_FAN, device=device)
    spread = (fan + draws.normal(0.0, 2.5, n, 4)) * (1 - curl[:, 1:].clamp(0, 1) * 0.85)
    t = curl[:, :1] + draws.normal(0.0, 0.12, n, 3)
    thumb = torch.tensor(_THUMB_OPEN, device=device) + t * torch.tensor(_THUMB_RANGE, device=device)
    thumb = torch.cat([thumb, draws.normal(0.0, 13.0, n, 1)], 1)
    fingers = torch.cat([thumb[:, None], torch.cat([bend, spread[..., None]], 2)], 1)
    twist = draws.normal(0.0, 12.0, n) + 22 * curl[:, 0].clamp(0, 1)
    wrist = torch.stack(
        [
            draws.normal(0.0, 26.0, n).clamp(-62, 65),
            draws.normal(0.0, 10.0, n).clamp(-26, 22),
        ],
        1,
    )
    return Poses(
        fingers=torch.deg2rad(within_limits(fingers)),
        thumb_twist=torch.deg2rad(twist),
        wrist=torch.deg2rad(wrist),
        pronation=torch.deg2rad(draws.uniform(-70.0, 70.0, n)),
        elbow=torch.deg2rad(draws.uniform(0.0, 120.0, n)),
        elbow_plane=draws.uniform(0.0, 2 * math.pi, n),
    )


def within_limits(degrees: Tensor) -> Tensor:
    """Finger angles (..., 5, 4) cut to what joints can do, degrees."""
    return torch.minimum(torch.maximum(degrees, LOW.to(degrees.device)), HIGH.to(degrees.device))


def blend(a: Poses, b: Poses, t: Tensor) -> Poses:
    """Linear interpolation of all angles by t (n,), for motion in clips."""

    def mix(x: Tensor, y: Tensor) -> Tensor:
        share = t.view(-1, *[1] * (x.ndim - 1))
        return (1 - share) * x + share * y

    return Poses(*(mix(getattr(a, f.name), getattr(b, f.name)) for f in fields(Poses)))
