# SPDX-License-Identifier: Apache-2.0
"""Spheres along the bones: how deep hands cut themselves or each other, and pushing them apart.

All in batches: joints are (n, 21, 3) metres in public order, sizes (n,) metres.
"""

import torch
from torch import Tensor

from digit_core.skeleton import BONES

#: Radius (m) at the inner and outer end of each bone of a hand of 0.18 m; index order of BONES.
_RADII = torch.tensor(
    [[0.016, 0.014], [0.013, 0.011], [0.011, 0.009], [0.009, 0.007]]
    + [[0.015, 0.010], [0.010, 0.008], [0.008, 0.007], [0.007, 0.006]] * 4
)
_STEPS = torch.tensor([0.2, 0.5, 0.8])
_SIZE_OF_RADII_M = 0.18
_PARENTS, _CHILDREN = [p for p, _ in BONES], [c for _, c in BONES]
_PUSHES = 24


def spheres(joints: Tensor, size_m: Tensor) -> tuple[Tensor, Tensor]:
    """Spheres of each hand: centres (n, 60, 3) and radii (n, 60), metres, three a bone."""
    start, end = joints[:, _PARENTS, None], joints[:, _CHILDREN, None]
    steps, radii = _STEPS.to(joints.device), _RADII.to(joints.device)
    centres = start + steps[:, None] * (end - start)
    along = radii[:, :1] + steps * (radii[:, 1:] - radii[:, :1])
    return centres.flatten(1, 2), along.flatten() * (size_m / _SIZE_OF_RADII_M)[:, None]


def self_penetration(joints: Tensor, size_m: Tensor) -> Tensor:
    """Deepest overlap (n,) m of two fingers of one hand, or of a finger and the palm."""
    return self_overlaps(joints, size_m).amax((1, 2))


def self_overlaps(joints: Tensor, size_m: Tensor) -> Tensor:
    """Overlaps (n, 60, 60) m of each hand's spheres that may not touch; very negative elsewhere."""
    centres, radii = spheres(joints, size_m)
    return _overlap(centres, radii, centres, radii) - 9.0 * ~_MAY_NOT_TOUCH.to(joints.device)


def overlaps(a: Tensor, size_a: Tensor, b: Tensor, size_b: Tensor) -> Tensor:
    """Overlaps (n, 60, 60) m of two hands' spheres; negative is a gap."""
    return _overlap(*spheres(a, size_a), *spheres(b, size_b))


def push_apart(
    a: Tensor, size_a: Tensor, b: Tensor, size_b: Tensor, allowed_m: float = 0.0035
) -> tuple[Tensor, Tensor]:
    """Translations (n, 3) of hands b out of hands a, and the overlap (n,) m that they leave."""
    (ca, ra), (cb, rb) = spheres(a, size_a), spheres(b, size_b)
    moved = torch.zeros_like(a[:, 0])
    for _ in range(_PUSHES):
        delta = cb[:, None] + moved[:, None, None] - ca[:, :, None]
        distance = delta.norm(dim=3).clamp(min=1e-6)
        depth = ra[:, :, None] + rb[:, None] - distance
        worst = depth.amax((1, 2))
        weight = depth.clamp(min=0) / distance
        direction = (weight[..., None] * delta).sum((1, 2))
        direction = direction / direction.norm(dim=1, keepdim=True).clamp(min=1e-9)
        step = torch.where(worst > allowed_m, (worst - allowed_m).clamp(min=0.001), 0.0)
        moved = moved + direction * step[:, None]
    left = _overlap(ca, ra, cb + moved[:, None], rb).amax((1, 2))
    return moved, left


def _overlap(ca: Tensor, ra: Tensor, cb: Tensor, rb: Tensor) -> Tensor:
    distance = (ca[:, :, None] - cb[:, None]).square().sum(3).clamp(min=1e-12).sqrt()
    return ra[:, :, None] + rb[:, None] - distance


def _make_pairs() -> Tensor:
    finger = torch.tensor([(c - 1) // 4 for c in _CHILDREN]).repeat_interleave(3)
    level = torch.tensor([(c - 1) % 4 for c in _CHILDREN]).repeat_interleave(3)
    different = finger[:, None] != finger[None]
    outer = (level[:, None] >= 1) & (level[None] >= 1)
    # A curled finger's two outer bones against every palm bone but its neighbours' beginnings.
    inner = _STEPS.repeat(len(BONES))[None] < 0.6
    return (different & outer) | ((level[:, None] >= 2) & (level[None] == 0) & inner)


_MAY_NOT_TOUCH = _make_pairs()
